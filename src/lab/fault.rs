//! What can go wrong in the emulated province, as data.
//!
//! One list of faults serves the relay that moves real packets, the emulated devices that answer
//! on real sockets and the virtual runs in which no packet exists, so that a scenario means the
//! same in all three.

use std::time::Duration;

/// Something that is wrong, at a site or at one of its endpoints.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// Everything at the site is dark. Nobody is left to say so, hence silence. Lines of other
    /// sites that run through it are the operator's and stay up; see [`Fault::UplinkCut`].
    PowerCut,
    /// The line of the site is cut: the site and everything whose line runs through it.
    UplinkCut {
        /// Whether our own gateway reports it, and how. Silence otherwise.
        says: Option<Says>,
    },
    /// The LAN side of the site's router is down: what is behind it is answered for with "net
    /// unreachable" (3/0) by the router, at once.
    LanDown,
    /// The device is off or unplugged: the site's router says "host unreachable" (3/1).
    DeviceOff {
        /// How long the router looks for the device before it says so. Three seconds of ARP is
        /// usual for a router that has just forgotten the device.
        after: Duration,
    },
    /// A filter swallows everything for the device.
    Firewall,
    /// A filter of the site's router rejects everything for the device: "administratively
    /// prohibited" (3/13).
    Rejected,
    /// The site's router sends no ICMP errors, as many are told not to.
    NoUnreachables,
    /// Packets go round in circles behind the site's parent until their time to live runs out
    /// (11/0).
    RoutingLoop,
    /// Loss of packets.
    Loss(Loss),
    /// Added to the round trip, half of it each way.
    Delay(Duration),
    /// Added variation: the round-trip jitter of RFC 3550 §6.4.1 comes out at this.
    Jitter(Duration),
    /// The line carries this much, each way, and queues up to [`QUEUE`] before it drops.
    Bandwidth {
        /// Kilobits a second, at least 1.
        kbit_s: u32,
    },
    /// Packets longer than this do not pass if they must not be fragmented.
    Mtu {
        /// Bytes of the whole IP packet, at least 68.
        bytes: u16,
        /// Whether the router keeps quiet about it instead of sending 3/4: a black hole.
        silent: bool,
    },
    /// The path sets this DSCP on everything.
    Remark {
        /// Code point, 0 to 63.
        dscp: u8,
    },
    /// Share of replies that arrive twice.
    Duplicate(f64),
    /// Share of replies that are overtaken by later ones.
    Reorder(f64),
    /// Share of replies that arrive with a flipped bit.
    Corrupt(f64),
    /// Share of replies that arrive cut short, with checksums that fit.
    Truncate(f64),
    /// Share of requests that somebody else answers first, with a payload that is not ours.
    Forge(f64),
    /// Replies that arrive long after anybody waits for them.
    Late {
        /// Share of replies.
        share: f64,
        /// How much later.
        by: Duration,
    },
    /// SIP takes requests and connections and says nothing.
    SipHung,
    /// SIP answers every request with this status.
    SipStatus(u16),
    /// Nothing listens for SIP.
    SipClosed,
    /// Nothing listens on the H.323 call-signalling port.
    H323Closed,
    /// The web server answers every request with this status.
    HttpStatus(u16),
    /// The web server takes the request and says nothing.
    HttpHung,
    /// The web server answers without end.
    HttpEndless,
    /// Nothing listens for HTTP.
    HttpClosed,
    /// The device is up and nothing listens on it: it is booting, or its application is dead.
    ServicesClosed,
    /// What the device answers is no protocol at all.
    Garbage,
    /// Certificates run out this long after the fault was placed.
    CertificateEnds {
        /// Seconds; negative when they already have.
        in_s: i64,
    },
    /// The device's clock is off.
    ClockOff {
        /// Its clock minus the right one, in seconds.
        by_s: i64,
    },
    /// Our own network is cut behind the interface: silence from everybody, our gateway included.
    OwnNetworkCut,
    /// Our own interface is down: the kernel has no route.
    OwnLinkDown,
    /// No name server answers us: who is known by name cannot be asked. Virtual runs only.
    OwnResolverDead,
    /// Our own probes leave so much too late that nothing can be made of them. Virtual runs only.
    OwnEngineLate {
        /// How late.
        by: Duration,
    },
}

/// How a router on our side words a cut line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// 3/0.
    NetUnreachable,
    /// 3/1.
    HostUnreachable,
}

/// Loss of packets, chosen at random and independently.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// Share lost on the way out, 0 to 1.
    pub out: f64,
    /// Share lost on the way back, 0 to 1.
    pub back: f64,
    /// Whether packets with any DSCP but 0 are spared: congestion with a working queue for media.
    pub best_effort_only: bool,
}

/// How long a line with a set bandwidth queues before it drops.
pub const QUEUE: Duration = Duration::from_millis(300);

impl Loss {
    /// Loss such that a ping misses this share of its replies, the same in both directions.
    #[must_use]
    pub fn round_trip(share: f64) -> Self {
        let each = 1.0 - (1.0 - share.clamp(0.0, 1.0)).sqrt();
        Self { out: each, back: each, best_effort_only: false }
    }
}

/// The kinds of fault, to lift one by its name. Placing a fault replaces one of the same kind at
/// the same place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is the fault of the same name")]
pub enum FaultKind {
    PowerCut,
    UplinkCut,
    LanDown,
    DeviceOff,
    Firewall,
    Rejected,
    NoUnreachables,
    RoutingLoop,
    Loss,
    Delay,
    Jitter,
    Bandwidth,
    Mtu,
    Remark,
    Duplicate,
    Reorder,
    Corrupt,
    Truncate,
    Forge,
    Late,
    SipHung,
    SipStatus,
    SipClosed,
    H323Closed,
    HttpStatus,
    HttpHung,
    HttpEndless,
    HttpClosed,
    ServicesClosed,
    Garbage,
    CertificateEnds,
    ClockOff,
    OwnNetworkCut,
    OwnLinkDown,
    OwnResolverDead,
    OwnEngineLate,
}

impl Fault {
    /// Which kind it is.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::PowerCut => FaultKind::PowerCut,
            Self::UplinkCut { .. } => FaultKind::UplinkCut,
            Self::LanDown => FaultKind::LanDown,
            Self::DeviceOff { .. } => FaultKind::DeviceOff,
            Self::Firewall => FaultKind::Firewall,
            Self::Rejected => FaultKind::Rejected,
            Self::NoUnreachables => FaultKind::NoUnreachables,
            Self::RoutingLoop => FaultKind::RoutingLoop,
            Self::Loss(_) => FaultKind::Loss,
            Self::Delay(_) => FaultKind::Delay,
            Self::Jitter(_) => FaultKind::Jitter,
            Self::Bandwidth { .. } => FaultKind::Bandwidth,
            Self::Mtu { .. } => FaultKind::Mtu,
            Self::Remark { .. } => FaultKind::Remark,
            Self::Duplicate(_) => FaultKind::Duplicate,
            Self::Reorder(_) => FaultKind::Reorder,
            Self::Corrupt(_) => FaultKind::Corrupt,
            Self::Truncate(_) => FaultKind::Truncate,
            Self::Forge(_) => FaultKind::Forge,
            Self::Late { .. } => FaultKind::Late,
            Self::SipHung => FaultKind::SipHung,
            Self::SipStatus(_) => FaultKind::SipStatus,
            Self::SipClosed => FaultKind::SipClosed,
            Self::H323Closed => FaultKind::H323Closed,
            Self::HttpStatus(_) => FaultKind::HttpStatus,
            Self::HttpHung => FaultKind::HttpHung,
            Self::HttpEndless => FaultKind::HttpEndless,
            Self::HttpClosed => FaultKind::HttpClosed,
            Self::ServicesClosed => FaultKind::ServicesClosed,
            Self::Garbage => FaultKind::Garbage,
            Self::CertificateEnds { .. } => FaultKind::CertificateEnds,
            Self::ClockOff { .. } => FaultKind::ClockOff,
            Self::OwnNetworkCut => FaultKind::OwnNetworkCut,
            Self::OwnLinkDown => FaultKind::OwnLinkDown,
            Self::OwnResolverDead => FaultKind::OwnResolverDead,
            Self::OwnEngineLate { .. } => FaultKind::OwnEngineLate,
        }
    }
}

impl FaultKind {
    /// All kinds, in the order of the list above.
    pub const ALL: [Self; 36] = [
        Self::PowerCut,
        Self::UplinkCut,
        Self::LanDown,
        Self::DeviceOff,
        Self::Firewall,
        Self::Rejected,
        Self::NoUnreachables,
        Self::RoutingLoop,
        Self::Loss,
        Self::Delay,
        Self::Jitter,
        Self::Bandwidth,
        Self::Mtu,
        Self::Remark,
        Self::Duplicate,
        Self::Reorder,
        Self::Corrupt,
        Self::Truncate,
        Self::Forge,
        Self::Late,
        Self::SipHung,
        Self::SipStatus,
        Self::SipClosed,
        Self::H323Closed,
        Self::HttpStatus,
        Self::HttpHung,
        Self::HttpEndless,
        Self::HttpClosed,
        Self::ServicesClosed,
        Self::Garbage,
        Self::CertificateEnds,
        Self::ClockOff,
        Self::OwnNetworkCut,
        Self::OwnLinkDown,
        Self::OwnResolverDead,
        Self::OwnEngineLate,
    ];

    /// The word for this kind in scenario files and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::PowerCut => "power-cut",
            Self::UplinkCut => "uplink-cut",
            Self::LanDown => "lan-down",
            Self::DeviceOff => "device-off",
            Self::Firewall => "firewall",
            Self::Rejected => "rejected",
            Self::NoUnreachables => "no-unreachables",
            Self::RoutingLoop => "routing-loop",
            Self::Loss => "loss",
            Self::Delay => "delay",
            Self::Jitter => "jitter",
            Self::Bandwidth => "bandwidth",
            Self::Mtu => "mtu",
            Self::Remark => "remark",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::Corrupt => "corrupt",
            Self::Truncate => "truncate",
            Self::Forge => "forge",
            Self::Late => "late",
            Self::SipHung => "sip-hung",
            Self::SipStatus => "sip-status",
            Self::SipClosed => "sip-closed",
            Self::H323Closed => "h323-closed",
            Self::HttpStatus => "http-status",
            Self::HttpHung => "http-hung",
            Self::HttpEndless => "http-endless",
            Self::HttpClosed => "http-closed",
            Self::ServicesClosed => "services-closed",
            Self::Garbage => "garbage",
            Self::CertificateEnds => "certificate-ends",
            Self::ClockOff => "clock-off",
            Self::OwnNetworkCut => "own-network-cut",
            Self::OwnLinkDown => "own-link-down",
            Self::OwnResolverDead => "own-resolver-dead",
            Self::OwnEngineLate => "own-engine-late",
        }
    }

    /// The kind with this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether the fault is ours rather than a site's.
    #[must_use]
    pub const fn is_own(self) -> bool {
        matches!(self, Self::OwnNetworkCut | Self::OwnLinkDown) || self.is_virtual()
    }

    /// Whether the fault is of this program itself, so that no network can be made in which it
    /// happens.
    #[must_use]
    pub const fn is_virtual(self) -> bool {
        matches!(self, Self::OwnResolverDead | Self::OwnEngineLate)
    }

    /// Whether the fault befalls what is behind a router, never the router itself, unless an
    /// endpoint is named.
    #[must_use]
    pub const fn spares_router(self) -> bool {
        matches!(
            self,
            Self::DeviceOff
                | Self::Firewall
                | Self::Rejected
                | Self::SipHung
                | Self::SipStatus
                | Self::SipClosed
                | Self::H323Closed
                | Self::HttpStatus
                | Self::HttpHung
                | Self::HttpEndless
                | Self::HttpClosed
                | Self::ServicesClosed
                | Self::Garbage
                | Self::CertificateEnds
                | Self::ClockOff
        )
    }
}

//! The probes of one device, without configuration or daemon around them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use vchealth::clock::Clock;
use vchealth::config::{IcmpEngine, IcmpSettings, ResolverSettings};
use vchealth::model::{
    Check, CheckId, CheckKind, ClassId, Effort, Endpoint, EndpointId, EndpointIx, Failure, Host,
    Level, LevelIx, Paces, RemoteFailure, Reply, Site, SiteId, SiteIx, Target, TargetIx, Topology,
};
use vchealth::probe::{ProbeSettings, Probes, Record, Trust};

/// Long enough for any answer that does come.
pub(crate) const PATIENT: Duration = Duration::from_secs(50);

/// One site with one device under one check.
pub(crate) fn topology(host: Host, kind: CheckKind, timeout: Duration) -> Arc<Topology> {
    let pace = Duration::from_secs(60);
    let site = Site {
        id: SiteId::new("tan-lap"),
        name: "Xã Tân Lập".to_owned(),
        level: LevelIx::new(0),
        class: ClassId::new("commune"),
        parent: None,
        children: Vec::new(),
        contacts: Vec::new(),
        labels: BTreeMap::new(),
        endpoints: vec![EndpointIx::new(0)].into(),
    };
    Arc::new(Topology {
        levels: vec![Level::named("commune", "Xã", "Commune")],
        checks: vec![Check {
            id: CheckId::new("tested"),
            kind,
            timeout,
            paces: Paces { idle: pace, readiness: pace, live: pace, wrap_up: pace },
            confirm_after: pace,
        }],
        site_by_id: BTreeMap::from([(site.id.clone(), SiteIx::new(0))]),
        sites: vec![site],
        endpoints: vec![Endpoint {
            id: EndpointId::new("codec"),
            site: SiteIx::new(0),
            host,
            targets: vec![TargetIx::new(0)].into(),
        }],
        targets: vec![Target { endpoint: EndpointIx::new(0), site: SiteIx::new(0), check: 0 }],
        vantage: None,
    })
}

/// Hands without an echo engine.
pub(crate) fn hands(topology: Arc<Topology>, trust: Trust) -> Probes {
    let settings = ProbeSettings {
        icmp: IcmpSettings { engine: IcmpEngine::Auto, receive_buffer: 0 },
        resolver: ResolverSettings { refresh: PATIENT, timeout: PATIENT },
        in_flight: 100,
    };
    let no_engine = |_| Err("not asked for".to_owned());
    Probes::start_with(settings, 1, topology, trust, Clock::start(), no_engine)
}

/// Probes a device once.
pub(crate) async fn ask(host: Host, kind: CheckKind, trust: Trust) -> Record {
    let topology = topology(host, kind, PATIENT);
    let target = topology.target_key(TargetIx::new(0));
    let probes = hands(topology, trust);
    let record = probes.run_once(&target, Effort::Normal).await.expect("the target is there");
    probes.stop().await;
    record
}

/// Probes an address once, trusting nobody.
pub(crate) async fn ask_at(peer: SocketAddr, kind: CheckKind) -> Result<Reply, Failure> {
    ask(Host::Ip(peer.ip()), kind, Trust::of([])).await.outcome.result
}

/// A failure of the other side.
pub(crate) fn remote(failure: RemoteFailure) -> Result<Reply, Failure> {
    Err(Failure::Remote(failure))
}

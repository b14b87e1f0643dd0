//! Whatever arrives on a SIP port: a datagram as a whole, and a connection piece by piece.
#![no_main]

use libfuzzer_sys::fuzz_target;
use vchealth_fuzz::wire::sip::{BODY_LIMIT, HEAD_LIMIT, Ids, Response, head_len};

fuzz_target!(|bytes: &[u8]| {
    let parsed = Response::parse(bytes);
    if let Ok(response) = &parsed {
        assert!((100..700).contains(&response.status));
        assert!(response.content_length <= BODY_LIMIT);
        assert!(!response.via.branch.is_empty());
        assert!(response.answers(&Ids::from_random([7; 24])).is_err(), "nobody can guess ours");
        // What follows the head changes nothing.
        let head = head_len(bytes).unwrap().unwrap();
        assert!(head <= HEAD_LIMIT);
        assert_eq!(Response::parse(&bytes[..head]).as_ref(), Ok(response));
    }
    // The head ends at the same place however many bytes have arrived.
    if let Ok(Some(end)) = head_len(bytes) {
        for cut in [end / 2, end - 1] {
            assert_eq!(head_len(&bytes[..cut]), Ok(None));
        }
    }
});

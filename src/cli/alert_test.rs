//! `vchealth alert-test`: does every channel take a message?

use std::path::Path;

use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::daemon::Source;
use crate::notify::{self, Setup};

/// Sends a marked test through every channel; fails if one does not take it.
pub(super) fn run(dir: &Path) -> Result<Exit, Failed> {
    let config = Source::directory(dir).load()?;
    if config.settings.channels.is_empty() {
        return Err(Failed::Usage(
            "no channel is configured: nobody would be told; see `channels` in vchealth.yaml"
                .to_owned(),
        ));
    }
    let setup = Setup::of(&config.settings, &format!("http://{}", config.settings.listen));
    eprintln!("sending a test through {} channels …", setup.channels.len());
    let reports = runtime()?
        .block_on(notify::test_alert(&setup, Clock::start()))
        .map_err(|error| Failed::Other("cannot send".to_owned(), Box::new(error)))?;
    let mut exit = Exit::Well;
    for report in reports {
        match report.result {
            Ok(took) => {
                println!("ok    {}: accepted after {} ms", report.channel, took.as_millis());
            }
            Err(error) => {
                exit = Exit::Failed;
                println!("FAIL  {}: {error}", report.channel);
            }
        }
    }
    Ok(exit)
}

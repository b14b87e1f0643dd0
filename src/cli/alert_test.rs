//! `vchealth alert-test`: does everybody take a message?

use std::path::Path;

use super::{Exit, Failed, runtime};
use crate::clock::Clock;
use crate::daemon::Source;
use crate::notify::{self, Fared, Setup};

/// Sends a marked test through every channel, or through the one of this name; fails if one does
/// not take it, or one of its recipients.
pub(super) fn run(dir: &Path, only: Option<&str>) -> Result<Exit, Failed> {
    let config = Source::directory(dir).load()?;
    let settings = &config.settings;
    if settings.channels.is_empty() {
        return Err(Failed::Usage(
            "no channel is configured: nobody would be told; see `channels` in vchealth.yaml"
                .to_owned(),
        ));
    }
    let mut setup = Setup::of(&config, settings.listen, None);
    if let Some(only) = only {
        let names: Vec<String> = setup.channels.iter().map(|it| it.id.to_string()).collect();
        setup.channels.retain(|channel| channel.id.as_str() == only);
        if setup.channels.is_empty() {
            let known = names.join(", ");
            return Err(Failed::Usage(format!("there is no channel `{only}`; there are {known}")));
        }
    }
    match &setup.channels[..] {
        [one] => eprintln!("sending a test through {} …", one.id),
        all => eprintln!("sending a test through {} channels …", all.len()),
    }
    let reports = runtime()?.block_on(notify::test_alert(&setup, Clock::start()));
    let widest = reports.iter().map(|it| it.channel.as_str().len()).max().unwrap_or_default();
    let mut failed = 0;
    for (report, channel) in reports.iter().zip(&setup.channels) {
        let (name, kind) = (&report.channel, channel.kind.word());
        failed += usize::from(!report.is_whole());
        let lacking = report.recipients.iter().filter(|it| it.result.is_err()).count();
        match &report.result {
            Ok(took) if lacking == 0 => {
                println!("ok    {name:<widest$}  {kind}: accepted after {} ms", took.as_millis());
            }
            Ok(_) => {
                let all = report.recipients.len();
                println!("FAIL  {name:<widest$}  {kind}: {lacking} of {all} recipients refuse it");
            }
            Err(error) => {
                println!("FAIL  {name:<widest$}  {kind}: {error}");
                if let Some(fallback) = &channel.fallback {
                    println!(
                        "      {:<widest$}  its messages would go through {}",
                        "", fallback.to
                    );
                }
            }
        }
        let several = report.recipients.len() > 1 || lacking > 0;
        for Fared { recipient, asked, result, .. } in report.recipients.iter().filter(|_| several) {
            let fared = match result {
                Ok(()) => "accepted".to_owned(),
                Err(error) if *asked => error.to_string(),
                // Another one hung or asked for time, which is no word about this one.
                Err(_) => "not tried".to_owned(),
            };
            println!("      {:<widest$}  recipient {recipient}: {fared}", "");
        }
    }
    let all = reports.len();
    if failed == 0 {
        let took = if all == 1 { "it was taken".to_owned() } else { format!("all {all} took it") };
        println!("{took}; now ask whether everybody has read it");
        Ok(Exit::Well)
    } else {
        println!("{failed} of {all} did not take it, or not for everybody");
        Ok(Exit::Failed)
    }
}

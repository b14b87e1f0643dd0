//! Whom what a message tells concerns besides: for whom it is, who else knows of it, and who was to
//! know and does not.
//!
//! Whoever reads it phones the last of these. So nobody is named as told who may not have heard of
//! it.

use std::collections::BTreeMap;

use super::facts::Facts;
use crate::model::{ChannelId, NotificationKind, Told};

/// Everybody who is to know of what a message tells.
#[derive(Debug, Default)]
pub(super) struct Circle<'a> {
    /// The people for whom it is.
    readers: Vec<&'a str>,
    pub(super) told: Names<'a>,
    pub(super) unreached: Names<'a>,
    phones: Vec<&'a BTreeMap<String, String>>,
}

/// Names of people, or channels that stand for themselves.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) people: Vec<&'a str>,
    pub(super) channels: Vec<&'a str>,
}

impl<'a> Circle<'a> {
    /// Of everything that a message tells and that is on.
    ///
    /// Who is not reached with one of several faults is not reached, whatever else they have heard;
    /// who was told of any is told.
    pub(super) fn of(all: &[&Facts<'a>]) -> Self {
        let mut circle = Self::default();
        for facts in all {
            let its = Self::of_one(facts);
            its.readers.into_iter().for_each(|name| add(&mut circle.readers, name));
            circle.told.join(&its.told);
            circle.unreached.join(&its.unreached);
            circle.phones.extend(its.phones);
        }
        let Self { readers, told, unreached, .. } = &mut circle;
        unreached.people.retain(|name| !readers.contains(name));
        told.people.retain(|name| !readers.contains(name) && !unreached.people.contains(name));
        told.channels.retain(|channel| !unreached.channels.contains(channel));
        circle
    }

    /// Of one fault.
    ///
    /// 1. Each channel counts by what it was to tell since it last told that it was over.
    /// 2. It was heard where any of that was neither given up nor is still on its way without
    ///    getting through, by those for whom the last such message was. Duty may have changed hands
    ///    since: whom only a later one was for is not reached. Where another channel stands in, it
    ///    is that one which was heard, by whomever, unless it has not got through either.
    /// 3. Else its people are not reached, unless they are another way. So it is with those of the
    ///    channel in whose place this message goes: only its readers know that they lack it.
    /// 4. Whom nobody tells before quiet hours are over is not reached either.
    fn of_one(facts: &Facts<'a>) -> Self {
        let (mut told, mut unreached) = (Names::default(), Names::default());
        let mut since: BTreeMap<&str, Vec<&'a Told>> = BTreeMap::new();
        for told in &facts.incident.told {
            let its = since.entry(told.channel.as_str()).or_default();
            if told.kind == NotificationKind::Resolved {
                its.clear();
            } else {
                its.push(told);
            }
        }
        since.remove(facts.channel);
        for (channel, its) in since {
            let Some(last) = its.last() else { continue };
            if facts.instead_of == Some(channel) {
                names(last).for_each(|name| add(&mut unreached.people, name));
                continue;
            }
            let lacks = |id: &str| facts.untold.iter().find(|untold| untold.channel.as_str() == id);
            let untold = lacks(channel);
            // Neither its own channel nor the one that stands in is still trying in vain.
            let has_left = |told: &Told, through: &str| {
                [untold, lacks(through)].into_iter().flatten().all(|untold| told.nth < untold.nth)
            };
            let heard = its.iter().filter_map(|told| Some((*told, told.through()?)));
            let heard: Vec<(&Told, &ChannelId)> =
                heard.filter(|(told, through)| has_left(told, through.as_str())).collect();
            match heard.last() {
                Some((it, through)) if through.as_str() == channel => {
                    told.add(it);
                    let by = |name: &str| heard.iter().any(|(it, _)| names(it).any(|n| n == name));
                    for name in names(last) {
                        let to = if by(name) { &mut told } else { &mut unreached };
                        add(&mut to.people, name);
                    }
                }
                Some((_, through)) => told.add_channel(through),
                None => match untold.and_then(|untold| untold.through.as_ref()) {
                    Some(through) => told.add_channel(through),
                    None => unreached.add(last),
                },
            }
        }
        for waits in facts.incident.quiet.iter().flat_map(|quiet| &quiet.whom) {
            if waits.people.is_empty() {
                add(&mut unreached.channels, waits.channel.as_str());
            }
            waits.people.iter().for_each(|name| add(&mut unreached.people, name));
        }
        let own = facts.incident.told.iter().rfind(|it| it.channel.as_str() == facts.channel);
        let readers: Vec<&str> = own.into_iter().flat_map(names).collect();
        told.people.retain(|name| !readers.contains(name));
        told.channels.retain(|channel| *channel != facts.channel);
        unreached.people.retain(|name| !readers.contains(name) && !told.people.contains(name));
        unreached.channels.retain(|channel| !told.channels.contains(channel));
        Self { readers, told, unreached, phones: vec![&facts.alert.phones] }
    }

    /// The people for whom the message is, each with their number unless it is the only reader.
    pub(super) fn readers(&self) -> Vec<String> {
        match self.readers.as_slice() {
            [reader] => vec![(*reader).to_owned()],
            several => several.iter().map(|name| self.with_phone(name)).collect(),
        }
    }

    /// Somebody with their number, for who wants to ask them.
    pub(super) fn with_phone(&self, name: &str) -> String {
        match self.phones.iter().find_map(|phones| phones.get(name)) {
            Some(phone) => format!("{name} ({phone})"),
            None => name.to_owned(),
        }
    }
}

impl<'a> Names<'a> {
    /// Adds for whom a message was.
    fn add(&mut self, told: &'a Told) {
        if told.people.is_empty() {
            self.add_channel(&told.channel);
        }
        names(told).for_each(|name| add(&mut self.people, name));
    }

    fn add_channel(&mut self, channel: &'a ChannelId) {
        add(&mut self.channels, channel.as_str());
    }

    fn join(&mut self, other: &Self) {
        other.people.iter().for_each(|name| add(&mut self.people, name));
        other.channels.iter().for_each(|name| add(&mut self.channels, name));
    }
}

/// For whom a message was, by their names.
fn names(told: &Told) -> impl Iterator<Item = &str> {
    told.people.iter().map(String::as_str)
}

fn add<'a>(to: &mut Vec<&'a str>, name: &'a str) {
    if !to.contains(&name) {
        to.push(name);
    }
}

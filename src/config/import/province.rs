//! The sites there are, as rows are matched against them.

use std::collections::BTreeSet;

use super::book::{At, Book};
use super::called::Called;
use super::rows::{Got, Row};
use crate::config::diagnostic::Diagnostic;
use crate::config::hint::{listed, meant, slug};
use crate::config::sites::Province;
use crate::model::{Site, SiteIx};

/// The sites of a configuration with what they are called.
pub(super) struct Known {
    pub(super) province: Province,
    pub(super) called: Vec<Called>,
}

/// What a name may stand for.
pub(super) enum Found {
    One(usize),
    Several(Vec<usize>),
    None,
}

impl Known {
    pub(super) fn new(province: Province) -> Self {
        let called = province.topology.sites.iter().map(|site| Called::new(&site.name)).collect();
        Self { province, called }
    }

    pub(super) fn sites(&self) -> &[Site] {
        &self.province.topology.sites
    }

    pub(super) fn parent(&self, site: usize) -> Option<usize> {
        self.sites()[site].parent.map(SiteIx::ix)
    }

    pub(super) fn by_id(&self, id: &str) -> Option<usize> {
        self.province.sites.get(id).map(|site| site.ix())
    }

    /// The site with this official code, with or without its leading zeros.
    pub(super) fn by_code(&self, code: &str) -> Found {
        let of = |site: &Site| site.labels.get("code").cloned().unwrap_or_default();
        let bare = code.trim_start_matches('0');
        let exact = self.sites().iter().position(|site| of(site) == code);
        if let Some(site) = exact {
            return Found::One(site);
        }
        found(self.where_(|_, site| {
            let code = of(site);
            !code.is_empty() && code.trim_start_matches('0') == bare
        }))
    }

    /// The sites that a name may stand for, among those below `parent` if it is known.
    ///
    /// 1. The same name with the same kind before the same name without one.
    /// 2. A name without accents only when one site alone can be meant.
    pub(super) fn by_name(&self, name: &str, parent: Option<usize>) -> Found {
        let called = Called::new(name);
        let below = |site: usize| parent.is_none() || self.parent(site) == parent;
        let exact = self.where_(|at, _| below(at) && self.called[at].reading == called.reading);
        if !exact.is_empty() {
            return found(exact);
        }
        let near = self.where_(|at, _| below(at) && self.called[at].may_be(&called));
        if !near.is_empty() {
            return found(near);
        }
        if !name.is_ascii() {
            return Found::None;
        }
        let plain = self.where_(|at, _| {
            let known = &self.called[at];
            let kinds = known.kind.is_none() || called.kind.is_none() || known.kind == called.kind;
            below(at) && known.slug == called.slug && kinds
        });
        found(plain)
    }

    fn where_(&self, is: impl Fn(usize, &Site) -> bool) -> Vec<usize> {
        self.sites()
            .iter()
            .enumerate()
            .filter(|(at, site)| is(*at, site))
            .map(|(at, _)| at)
            .collect()
    }

    /// Which site a cell of the column of parents, or of another reference, means.
    pub(super) fn refer(&self, text: &str) -> Found {
        match self.by_id(text) {
            Some(site) => Found::One(site),
            None => self.by_name(text, None),
        }
    }

    /// Sites as people can tell them apart.
    pub(super) fn told(&self, sites: &[usize]) -> String {
        let told: Vec<String> = sites
            .iter()
            .take(6)
            .map(|at| {
                let site = &self.sites()[*at];
                match self.parent(*at) {
                    Some(parent) => format!("`{}` ({})", site.id, self.sites()[parent].name),
                    None => format!("`{}`", site.id),
                }
            })
            .collect();
        told.join(", ")
    }

    /// What is wrong with a name that nobody has, and who may be meant.
    pub(super) fn nobody(&self, book: &Book, got: &Got<String>) -> Diagnostic {
        let slugs = || self.called.iter().map(|called| called.slug.as_str());
        let near = meant(&Called::new(&got.value).slug, slugs());
        let near = near.and_then(|near| slugs().position(|slug| slug == near));
        let hint = near.map(|at| {
            let site = &self.sites()[at];
            format!("did you mean `{}` (`{}`)?", site.name, site.id)
        });
        book.fault(got.at, format!("there is no site `{}`", got.value), hint)
    }

    /// The existing site that a row is about, `None` when there is none; or what is wrong.
    ///
    /// 1. An id counts before a code, a code before a name.
    /// 2. A name counts below the parent that the row names; without one it has to be the only one.
    /// 3. What a row says of one site must not be what is known of two.
    pub(super) fn site_of(
        &self,
        book: &Book,
        row: &Row,
        parent: Option<usize>,
    ) -> Result<Option<usize>, Box<Diagnostic>> {
        let by_name = match &row.name {
            Some(name) => match self.by_name(&name.value, parent) {
                Found::Several(sites) if row.id.is_none() && row.code.is_none() => {
                    let reason = format!("`{}` may be any of several sites", name.value);
                    let hint = format!(
                        "{}: add a column with the parent, the id or the code",
                        self.told(&sites)
                    );
                    return Err(book.wrong(name.at, reason, Some(hint)));
                }
                Found::One(site) => Some(site),
                Found::Several(_) | Found::None => None,
            },
            None => None,
        };
        if let Some(id) = &row.id
            && let Some(site) = self.by_id(&id.value)
        {
            self.not_two(book, site, row.code.as_ref(), by_name.zip(row.name.as_ref()))?;
            return Ok(Some(site));
        }
        if let Some(code) = &row.code {
            match self.by_code(&code.value) {
                Found::One(site) => {
                    if row.id.is_none() {
                        self.not_two(book, site, None, by_name.zip(row.name.as_ref()))?;
                        return Ok(Some(site));
                    }
                    let id = &self.sites()[site].id;
                    let reason =
                        format!("`{}` is the code of `{id}`, which has another id", code.value);
                    return Err(book.wrong(code.at, reason, None));
                }
                Found::Several(sites) => {
                    let reason = format!("`{}` may be the code of several sites", code.value);
                    let hint = format!("{}: write it with its leading zeros", self.told(&sites));
                    return Err(book.wrong(code.at, reason, Some(hint)));
                }
                Found::None => {}
            }
        }
        if row.id.is_some() {
            // An id that nobody has makes a new site, whatever it is called.
            return Ok(None);
        }
        if let (Some(site), Some(code)) = (by_name, &row.code)
            && let Some(known) = self.sites()[site].labels.get("code")
            && known.trim_start_matches('0') != code.value.trim_start_matches('0')
        {
            let reason =
                format!("the code of `{}` is {known}, not {}", self.sites()[site].name, code.value);
            return Err(book.wrong(
                code.at,
                reason,
                Some("correct the sheet, or the label `code` in sites.yaml".to_owned()),
            ));
        }
        Ok(by_name)
    }

    /// Rule 3 of [`site_of`](Self::site_of).
    fn not_two(
        &self,
        book: &Book,
        site: usize,
        code: Option<&Got<String>>,
        named: Option<(usize, &Got<String>)>,
    ) -> Result<(), Box<Diagnostic>> {
        if let Some(code) = code
            && let Found::One(other) = self.by_code(&code.value)
            && other != site
        {
            let (a, b) = (&self.sites()[site].id, &self.sites()[other].id);
            let reason = format!("the id is of `{a}`, the code of `{b}`");
            return Err(book.wrong(code.at, reason, None));
        }
        if let Some((other, name)) = named
            && other != site
        {
            let (a, b) = (&self.sites()[site].id, &self.sites()[other].id);
            let reason = format!("the row is about `{a}`, the name is of `{b}`");
            return Err(book.wrong(name.at, reason, None));
        }
        Ok(())
    }

    /// The class of a new site.
    ///
    /// 1. What the row says, by class or else by level.
    /// 2. What all sites have whose name begins with the same word.
    /// 3. The class that bears the name of a district or a province, for one.
    /// 4. The default class.
    pub(super) fn class_of(&self, book: &Book, row: &Row) -> Result<usize, Box<Diagnostic>> {
        let kinds = &self.province.kinds;
        let ids: Vec<&str> = kinds.iter().map(|kind| kind.id.as_str()).collect();
        if let Some(class) = &row.class {
            let wanted = slug(&class.value);
            return ids.iter().position(|id| *id == wanted).ok_or_else(|| {
                let reason = format!("there is no class `{}`", class.value);
                book.wrong(class.at, reason, Some(format!("known are {}", listed(&ids))))
            });
        }
        if let Some(level) = &row.level {
            return self.class_of_level(book, level, row);
        }
        let called = Called::new(row.called());
        let first = |called: &Called| match called.kind {
            Some(kind) => kind.to_owned(),
            None => called.reading.split(' ').next().unwrap_or_default().to_owned(),
        };
        let word = first(&called);
        let alike: BTreeSet<usize> = (self.called.iter().enumerate())
            .filter(|(_, known)| first(known) == word)
            .map(|(at, _)| self.province.class_of[at])
            .collect();
        if let (Some(class), 1) = (alike.first(), alike.len()) {
            return Ok(*class);
        }
        let level = match called.kind {
            Some("Tỉnh") => Some("province"),
            Some("Huyện" | "Quận" | "Thị xã" | "Thành phố") => Some("district"),
            Some(_) => Some("commune"),
            None => None,
        };
        let by_level = level.and_then(|level| ids.iter().position(|id| *id == level));
        by_level.or(self.province.default_class).ok_or_else(|| {
            let reason = "which class of site is this?".to_owned();
            let hint = format!("add a column `Loại` or `Class` with one of {}", listed(&ids));
            book.wrong(row.named_at(), reason, Some(hint))
        })
    }

    fn class_of_level(
        &self,
        book: &Book,
        level: &Got<String>,
        row: &Row,
    ) -> Result<usize, Box<Diagnostic>> {
        let levels = &self.province.topology.levels;
        let wanted = slug(&level.value);
        let at = levels.iter().position(|level| {
            level.id.as_str() == wanted
                || slug(&level.name.vi) == wanted
                || slug(&level.name.en) == wanted
        });
        let Some(at) = at else {
            let names: Vec<&str> = levels.iter().map(|level| level.name.vi.as_str()).collect();
            let reason = format!("there is no level `{}`", level.value);
            return Err(book.wrong(
                level.at,
                reason,
                Some(format!("known are {}", listed(&names))),
            ));
        };
        let kinds = &self.province.kinds;
        let of: Vec<usize> = (0..kinds.len())
            .filter(|class| kinds[*class].level.is_some_and(|level| level.ix() == at))
            .collect();
        match of.as_slice() {
            [one] => Ok(*one),
            several => {
                // Among several the row's name may still tell.
                let class = self.class_of(book, &Row { level: None, ..row.clone() })?;
                if several.contains(&class) {
                    return Ok(class);
                }
                let ids: Vec<&str> = several.iter().map(|at| kinds[*at].id.as_str()).collect();
                let reason = format!("level `{}` has {} classes", level.value, ids.len());
                let hint = format!("add a column `Loại` or `Class` with one of {}", listed(&ids));
                Err(book.wrong(level.at, reason, Some(hint)))
            }
        }
    }
}

fn found(sites: Vec<usize>) -> Found {
    match sites.as_slice() {
        [] => Found::None,
        [one] => Found::One(*one),
        _ => Found::Several(sites),
    }
}

/// The place of another cell, as the second place of a problem.
pub(super) fn other(book: &Book, at: At) -> (String, String) {
    (format!("{}{}", book.file, book.place(at)), "the other".to_owned())
}

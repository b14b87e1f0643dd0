//! Which row of a sheet holds the headings, and what each column means.
//!
//! People write headings in Vietnamese or English, in any order, below titles, over one row or two
//! with the upper one merged. A heading is compared without accents, capitals and punctuation.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Sheet;
use crate::config::hint::slug;

/// Rows at the top of a sheet among which the headings are looked for.
const TITLES: usize = 60;
/// Longest heading, in characters; what is longer is a title or a remark.
const LONGEST: usize = 80;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Meaning {
    Id,
    Code,
    Name,
    Parent,
    Level,
    Class,
    /// The address of one endpoint.
    Endpoint(String),
    /// An address of a device that is not named.
    Address,
    Contact,
    Phone,
    Email,
    Label(String),
    Delegates,
    TakesPart,
}

/// The headings of a sheet.
#[derive(Debug)]
pub(super) struct Headings {
    /// The last row that belongs to them.
    pub(super) row: u32,
    pub(super) columns: BTreeMap<u32, Meaning>,
    /// Columns with a heading that are not read.
    pub(super) unread: Vec<(u32, String)>,
    /// Columns that mean the same as one before.
    pub(super) twice: Vec<(u32, u32, Meaning)>,
}

/// Words in a heading and what they say; the first that fits counts. A heading fits when the words
/// stand in it one after the other; a `=` in front asks for nothing else in it.
const WORDS: &[(&str, Option<Word>)] = &[
    ("=stt", None),
    ("=tt", None),
    ("so-thu-tu", None),
    ("=no", None),
    ("=dia-chi", None),
    ("ghi-chu", None),
    ("note", None),
    ("notes", None),
    ("remark", None),
    ("ngay", None),
    ("serial", None),
    ("email", Some(Word::Email)),
    ("e-mail", Some(Word::Email)),
    ("mail", Some(Word::Email)),
    ("thu-dien-tu", Some(Word::Email)),
    ("dien-thoai", Some(Word::Phone)),
    ("sdt", Some(Word::Phone)),
    ("so-dt", Some(Word::Phone)),
    ("dtdd", Some(Word::Phone)),
    ("=dt", Some(Word::Phone)),
    ("di-dong", Some(Word::Phone)),
    ("phone", Some(Word::Phone)),
    ("mobile", Some(Word::Phone)),
    ("tel", Some(Word::Phone)),
    ("hotline", Some(Word::Phone)),
    ("dai-bieu", Some(Word::Delegates)),
    ("so-luong", Some(Word::Delegates)),
    ("so-nguoi", Some(Word::Delegates)),
    ("=sl", Some(Word::Delegates)),
    ("delegates", Some(Word::Delegates)),
    ("participants", Some(Word::Delegates)),
    ("attendees", Some(Word::Delegates)),
    ("tham-gia", Some(Word::TakesPart)),
    ("tham-du", Some(Word::TakesPart)),
    ("takes-part", Some(Word::TakesPart)),
    ("attends", Some(Word::TakesPart)),
    ("ma-diem-cau", Some(Word::Id)),
    ("dinh-danh", Some(Word::Id)),
    ("site-id", Some(Word::Id)),
    ("=id", Some(Word::Id)),
    ("ma-don-vi", Some(Word::Code)),
    ("ma-dvhc", Some(Word::Code)),
    ("ma-hanh-chinh", Some(Word::Code)),
    ("ma-xa", Some(Word::Code)),
    ("ma-so", Some(Word::Code)),
    ("=ma", Some(Word::Code)),
    ("code", Some(Word::Code)),
    ("nha-mang", Some(Word::Label("isp"))),
    ("nha-cung-cap", Some(Word::Label("isp"))),
    ("isp", Some(Word::Label("isp"))),
    ("provider", Some(Word::Label("isp"))),
    ("carrier", Some(Word::Label("isp"))),
    ("nguon-dien", Some(Word::Label("power"))),
    ("dien-luc", Some(Word::Label("power"))),
    ("tram-bien-ap", Some(Word::Label("power"))),
    ("lo-dien", Some(Word::Label("power"))),
    ("power", Some(Word::Label("power"))),
    ("model", Some(Word::Label("model"))),
    ("chung-loai", Some(Word::Label("model"))),
    ("loai-thiet-bi", Some(Word::Label("model"))),
    ("ten-thiet-bi", Some(Word::Label("model"))),
    ("device", Some(Word::Label("model"))),
    ("router", Some(Word::Endpoint("router"))),
    ("modem", Some(Word::Endpoint("router"))),
    ("gateway", Some(Word::Endpoint("router"))),
    ("dinh-tuyen", Some(Word::Endpoint("router"))),
    ("codec", Some(Word::Endpoint("codec"))),
    ("dau-cuoi", Some(Word::Endpoint("codec"))),
    ("ip-thiet-bi", Some(Word::Endpoint("codec"))),
    ("ip-hnth", Some(Word::Endpoint("codec"))),
    ("mcu", Some(Word::Endpoint("mcu"))),
    ("ip", Some(Word::Address)),
    ("dia-chi-mang", Some(Word::Address)),
    ("address", Some(Word::Address)),
    ("lien-he", Some(Word::Contact)),
    ("can-bo", Some(Word::Contact)),
    ("dau-moi", Some(Word::Contact)),
    ("phu-trach", Some(Word::Contact)),
    ("nguoi", Some(Word::Contact)),
    ("ho-ten", Some(Word::Contact)),
    ("ho-va-ten", Some(Word::Contact)),
    ("contact", Some(Word::Contact)),
    ("technician", Some(Word::Contact)),
    ("truc-thuoc", Some(Word::Parent)),
    ("cap-tren", Some(Word::Parent)),
    ("tuyen-tren", Some(Word::Parent)),
    ("thuoc", Some(Word::Parent)),
    ("huyen", Some(Word::Parent)),
    ("quan", Some(Word::Parent)),
    ("cum", Some(Word::Parent)),
    ("parent", Some(Word::Parent)),
    ("district", Some(Word::Parent)),
    ("uplink", Some(Word::Parent)),
    ("cap", Some(Word::Level)),
    ("level", Some(Word::Level)),
    ("tier", Some(Word::Level)),
    ("loai", Some(Word::Class)),
    ("nhom", Some(Word::Class)),
    ("class", Some(Word::Class)),
    ("type", Some(Word::Class)),
    ("diem-cau", Some(Word::Name)),
    ("don-vi", Some(Word::Name)),
    ("co-quan", Some(Word::Name)),
    ("dia-phuong", Some(Word::Name)),
    ("dia-ban", Some(Word::Name)),
    ("xa", Some(Word::Name)),
    ("phuong", Some(Word::Name)),
    ("thi-tran", Some(Word::Name)),
    ("ten", Some(Word::Name)),
    ("name", Some(Word::Name)),
    ("site", Some(Word::Name)),
    ("commune", Some(Word::Name)),
    ("unit", Some(Word::Name)),
    ("location", Some(Word::Name)),
];

#[derive(Clone, Copy)]
enum Word {
    Id,
    Code,
    Name,
    Parent,
    Level,
    Class,
    Endpoint(&'static str),
    Address,
    Contact,
    Phone,
    Email,
    Label(&'static str),
    Delegates,
    TakesPart,
}

impl Word {
    fn meaning(self) -> Meaning {
        match self {
            Self::Id => Meaning::Id,
            Self::Code => Meaning::Code,
            Self::Name => Meaning::Name,
            Self::Parent => Meaning::Parent,
            Self::Level => Meaning::Level,
            Self::Class => Meaning::Class,
            Self::Endpoint(id) => Meaning::Endpoint(id.to_owned()),
            Self::Address => Meaning::Address,
            Self::Contact => Meaning::Contact,
            Self::Phone => Meaning::Phone,
            Self::Email => Meaning::Email,
            Self::Label(name) => Meaning::Label(name.to_owned()),
            Self::Delegates => Meaning::Delegates,
            Self::TakesPart => Meaning::TakesPart,
        }
    }
}

impl Meaning {
    /// What people call it.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Id => "id",
            Self::Code => "code",
            Self::Name => "name",
            Self::Parent => "parent",
            Self::Level => "level",
            Self::Class => "class",
            Self::Endpoint(name) | Self::Label(name) => name,
            Self::Address => "address",
            Self::Contact => "contact",
            Self::Phone => "phone",
            Self::Email => "email",
            Self::Delegates => "delegates",
            Self::TakesPart => "takes part",
        }
    }
}

/// What a heading says; none when it says nothing that is known, or something that is not read.
fn meaning(heading: &str, endpoints: &[&str], labels: &[&str]) -> Option<Meaning> {
    if heading.chars().count() > LONGEST {
        return None;
    }
    let slug = slug(heading);
    if endpoints.contains(&slug.as_str()) {
        return Some(Meaning::Endpoint(slug));
    }
    if labels.contains(&slug.as_str()) {
        return Some(Meaning::Label(slug));
    }
    let padded = format!("-{slug}-");
    let fits = |word: &str| match word.strip_prefix('=') {
        Some(word) => slug == word,
        None => padded.contains(&format!("-{word}-")),
    };
    if let Some(endpoint) = endpoints.iter().find(|endpoint| fits(endpoint)) {
        // A column of models says which device it is about and is no address of it.
        let about = ["model", "loai", "serial", "ten", "hang"];
        if !about.iter().any(|word| fits(word)) {
            return Some(Meaning::Endpoint((*endpoint).to_owned()));
        }
    }
    WORDS.iter().find(|(word, _)| fits(word))?.1.map(Word::meaning)
}

/// Finds the headings: the row, alone or with the one below it, in which most columns say
/// something, among them what a site is called and something about it.
pub(super) fn find(sheet: &Sheet, endpoints: &[&str], labels: &[&str]) -> Option<Headings> {
    let mut best: Option<(usize, Headings)> = None;
    let rows = sheet.rows();
    for (n, row) in rows.iter().take(TITLES).enumerate() {
        // A title is one text, merged or not; the upper row of headings is several.
        let texts: BTreeSet<String> = sheet.row(*row).map(|(_, cell)| cell.shown()).collect();
        let below = rows.get(n + 1).copied().filter(|below| *below == row + 1 && texts.len() > 1);
        for below in [None, below] {
            let headings = headings(sheet, *row, below, endpoints, labels);
            let score = headings.columns.len();
            let named = headings.columns.values().any(|meaning| {
                matches!(meaning, Meaning::Name | Meaning::Id | Meaning::Code | Meaning::Parent)
            });
            if named && score >= 2 && best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, headings));
            }
        }
    }
    let mut headings = best?.1;
    let columns = &mut headings.columns;
    // A list of districts has a column `Huyện` and no other name.
    if !columns.values().any(|m| matches!(m, Meaning::Name | Meaning::Id | Meaning::Code))
        && let Some(parent) = columns.values_mut().find(|m| **m == Meaning::Parent)
    {
        *parent = Meaning::Name;
    }
    Some(headings)
}

fn headings(
    sheet: &Sheet,
    row: u32,
    below: Option<u32>,
    endpoints: &[&str],
    labels: &[&str],
) -> Headings {
    let mut texts: BTreeMap<u32, String> = BTreeMap::new();
    for (column, cell) in sheet.row(row) {
        texts.insert(column, cell.shown());
    }
    if let Some(below) = below {
        for (column, cell) in sheet.row(below) {
            let text = texts.entry(column).or_default();
            let lower = cell.shown();
            if *text != lower {
                // What the lower row says is nearer.
                let upper = std::mem::take(text);
                *text = format!("{lower} {upper}").trim().to_owned();
            }
        }
    }
    let mut found = Headings {
        row: below.unwrap_or(row),
        columns: BTreeMap::new(),
        unread: Vec::new(),
        twice: Vec::new(),
    };
    for (column, text) in texts {
        let Some(meaning) = meaning(&text, endpoints, labels) else {
            found.unread.push((column, text));
            continue;
        };
        let first = found.columns.iter().find(|(_, known)| **known == meaning);
        if let Some((first, _)) = first {
            found.twice.push((column, *first, meaning));
        } else {
            found.columns.insert(column, meaning);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_are_read_as_people_write_them() {
        let cases = [
            ("TT", None),
            ("Tên điểm cầu", Some("name")),
            ("Xã/Phường/Thị trấn", Some("name")),
            ("Thuộc huyện, thành phố", Some("parent")),
            ("Mã ĐVHC", Some("code")),
            ("Địa chỉ IP Router", Some("router")),
            ("IP thiết bị đầu cuối", Some("codec")),
            ("Địa chỉ IP", Some("address")),
            ("Địa chỉ", None),
            ("Họ và tên cán bộ kỹ thuật", Some("contact")),
            ("SĐT cán bộ", Some("phone")),
            ("Số điện thoại", Some("phone")),
            ("Nhà mạng", Some("isp")),
            ("Nguồn điện", Some("power")),
            ("Loại thiết bị", Some("model")),
            ("Model codec", Some("model")),
            ("Số đại biểu tham dự", Some("delegates")),
            ("Đơn vị cấp trên", Some("parent")),
            ("IP camera", Some("camera")),
            ("Ghi chú", None),
        ];
        for (heading, wanted) in cases {
            let found = meaning(heading, &["router", "codec", "camera"], &["code"]);
            assert_eq!(found.as_ref().map(Meaning::word), wanted, "{heading}");
        }
    }
}

//! Spreadsheets as people keep them, against the shipped sample: what is understood, what would be
//! written, and that every fault is told at its cell.

use std::fs;
use std::path::Path;

use rust_xlsxwriter::{Format, Formula, Workbook, Worksheet};
use serde_yaml::Value;
use unicode_normalization::UnicodeNormalization as _;
use vchealth::config::import::{self, Book, Plan};
use vchealth::config::{self, Diagnostics, File, SourceSet};

const SHEET: &str = "Danh sách";

/// A workbook of one sheet.
fn workbook(fill: impl FnOnce(&mut Worksheet)) -> Vec<u8> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet();
    sheet.set_name(SHEET).unwrap();
    fill(sheet);
    workbook.save_to_buffer().unwrap()
}

fn put(sheet: &mut Worksheet, row: u32, column: u16, cell: &Value) {
    match cell {
        Value::String(text) if text.is_empty() => {}
        Value::String(text) => {
            sheet.write_string(row, column, text).unwrap();
        }
        Value::Number(number) => {
            sheet.write_number(row, column, number.as_f64().unwrap()).unwrap();
        }
        Value::Mapping(map) => {
            let (key, value) = map.iter().next().unwrap();
            match key.as_str().unwrap() {
                "error" => {
                    let formula = Formula::new("=NA()").set_result(value.as_str().unwrap());
                    sheet.write_formula(row, column, formula).unwrap();
                }
                "date" => {
                    let format = Format::new().set_num_format("dd/mm/yyyy");
                    let days = value.as_f64().unwrap();
                    sheet.write_number_with_format(row, column, days, &format).unwrap();
                }
                other => panic!("no such kind of cell: {other}"),
            }
        }
        other => panic!("no such cell: {other:?}"),
    }
}

fn csv_of(rows: &[Vec<Value>], separator: char) -> Option<String> {
    let mut text = String::new();
    for row in rows {
        for (n, cell) in row.iter().enumerate() {
            if n > 0 {
                text.push(separator);
            }
            let shown = match cell {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            let quoted = shown.contains([separator, '"', '\n']);
            text += &if quoted { format!("\"{}\"", shown.replace('"', "\"\"")) } else { shown };
        }
        text.push('\n');
    }
    Some(text)
}

fn told(plan: &Plan) -> Vec<String> {
    let list = plan.faults.as_ref().map_or(&[][..], |faults| &faults.list);
    list.iter().map(ToString::to_string).collect()
}

fn compare(bytes: &[u8], file: &str, session: Option<&str>) -> Result<Plan, Diagnostics> {
    let book = import::open(file, bytes)?;
    Ok(match session {
        Some(id) => import::session(&book, &config::sample(), id).unwrap(),
        None => import::sites(&book, &config::sample())?,
    })
}

#[test]
fn every_seeded_fault_is_told_with_sheet_row_and_column() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/import/faults.yaml");
    let file: Value = serde_yaml::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let cells = |value: &Value| value.as_sequence().cloned().unwrap_or_default();
    let cases = file["cases"].as_sequence().unwrap();
    let (mut wrong, mut seeded) = (Vec::new(), 0);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let headings = case.get("headings").unwrap_or(&file["headings"]);
        let mut rows = vec![vec![Value::from("DANH SÁCH ĐIỂM CẦU")], vec![], cells(headings)];
        rows.extend(case["rows"].as_sequence().unwrap().iter().map(cells));
        let session = case.get("session").and_then(Value::as_str);
        let tells: Vec<&str> =
            case["tells"].as_sequence().unwrap().iter().map(|v| v.as_str().unwrap()).collect();
        seeded += tells.len();
        let xlsx = workbook(|sheet| {
            for (r, row) in (0..).zip(&rows) {
                for (c, cell) in (0..).zip(row) {
                    put(sheet, r, c, cell);
                }
            }
        });
        let mut check = |plan: Result<Plan, Diagnostics>, file: &str| {
            let found = match &plan {
                Ok(plan) => {
                    assert!(plan.text.is_none() || plan.faults.is_none());
                    told(plan)
                }
                Err(problems) => problems.list.iter().map(ToString::to_string).collect(),
            };
            let as_wanted = found.len() == tells.len()
                && found
                    .iter()
                    .zip(&tells)
                    .all(|(found, tell)| found.starts_with(&format!("{file}:{tell}")));
            if !as_wanted {
                wrong.push(format!("--- {name} ({file})\nwanted {tells:#?}\nfound {found:#?}"));
            }
        };
        check(compare(&xlsx, "x.xlsx", session), &format!("x.xlsx!{SHEET}"));
        if case.get("only").is_none()
            && let Some(text) = csv_of(&rows, ';')
        {
            check(compare(text.as_bytes(), "x.csv", session), "x.csv");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seeded >= 50, "only {seeded} faults");
}

/// The sample's sites with some lines changed.
fn sample_with(changes: &[(&str, &str)]) -> String {
    let text = include_str!("../../config/sites.yaml").to_owned();
    changes.iter().fold(text, |text, (old, new)| {
        assert_eq!(text.matches(old).count(), 1, "{old}");
        text.replace(old, new)
    })
}

#[test]
fn a_sheet_as_people_keep_it_is_understood_and_a_hand_kept_file_stays_hand_kept() {
    let merged = Format::new();
    let bytes = workbook(|sheet| {
        sheet.merge_range(0, 0, 0, 7, "DANH SÁCH ĐIỂM CẦU HUYỆN CHỢ ĐỒN", &merged).unwrap();
        sheet.write_string(1, 0, "(Kèm theo Công văn số 123/STTTT)").unwrap();
        // Two rows of headings, the upper one merged over two columns.
        for (column, text) in [(0, "TT"), (1, "Xã/ Thị trấn"), (2, "Huyện")] {
            sheet.merge_range(3, column, 4, column, text, &merged).unwrap();
        }
        sheet.merge_range(3, 3, 3, 4, "Địa chỉ IP", &merged).unwrap();
        sheet.write_string(4, 3, "Router").unwrap();
        sheet.write_string(4, 4, "Codec").unwrap();
        for (column, text) in [(5, "Cán bộ kỹ thuật"), (6, "SĐT"), (7, "Mã")] {
            sheet.merge_range(3, column, 4, column, text, &merged).unwrap();
        }
        for column in 0..8_u16 {
            sheet.write_string(5, column, format!("({})", column + 1)).unwrap();
        }
        // The district stands once for all its communes.
        sheet.merge_range(6, 2, 11, 2, "H. Chợ Đồn", &merged).unwrap();
        let decomposed: String = "Xã Tân Lập".nfd().collect();
        sheet.write_string(6, 1, decomposed).unwrap();
        sheet.write_string(6, 3, " 10.70.5.1/24 ").unwrap();
        sheet.write_string(6, 4, "10. 70.5 .11").unwrap();
        sheet.write_string(7, 1, "X. Nam Cường").unwrap();
        sheet.write_number(7, 6, 912_345_678.0).unwrap();
        // Only its code says that this is Xã Quảng Bạch, under a new name.
        sheet.write_string(9, 1, "Xã Quảng Bạch Mới").unwrap();
        sheet.write_number(9, 7, code_of("quang-bach")).unwrap();
        sheet.write_string(11, 1, "XÃ MỚI TINH").unwrap();
        sheet.write_string(11, 3, "10.70.90.1").unwrap();
        sheet.write_string(11, 5, "Nguyễn Văn Hoà").unwrap();
        sheet.write_string(11, 6, "0912.345.679").unwrap();
        sheet.write_string(13, 1, "Tổng cộng: 4 điểm cầu").unwrap();
    });
    let plan = compare(&bytes, "cho-don.xlsx", None).unwrap();
    assert_eq!(told(&plan), [] as [String; 0]);
    assert_eq!(
        plan.summary,
        "+1 commune, 1 renamed, 1 address changed, 1 contact changed; 0 unchanged; \
         201 sites not in the spreadsheet stay as they are"
    );
    let mut lines = plan.lines.clone();
    lines.sort();
    assert_eq!(
        lines,
        [
            "+ moi-tinh               Xã Mới Tinh (Huyện Chợ Đồn): router 10.70.90.1, codec none   row 12",
            "~ nam-cuong              phone: 0209 000 0167 → 0912 345 678   row 8",
            "~ quang-bach             name: Xã Quảng Bạch → Xã Quảng Bạch Mới   row 10",
            "~ tan-lap                codec: 10.70.5.10 → 10.70.5.11   row 7",
        ]
    );
    let last = last_below("cho-don");
    let new = format!(
        "{last}\n  - {{id: moi-tinh, name: Xã Mới Tinh, parent: cho-don, router: 10.70.90.1, codec: \
         none, contacts: [{{name: Nguyễn Văn Hoà, phone: 0912.345.679}}]}}"
    );
    let wanted = sample_with(&[
        ("codec: 10.70.5.10,", "codec: 10.70.5.11,"),
        ("phone: 0209 000 0167", "phone: 0912 345 678"),
        ("name: Xã Quảng Bạch,", "name: Xã Quảng Bạch Mới,"),
        (&last, &new),
    ]);
    assert_eq!(plan.text.unwrap(), wanted);
}

/// The official code of a site of the sample, as the number that a spreadsheet makes of it.
fn code_of(site: &str) -> f64 {
    let config = config::load(&config::sample()).unwrap();
    let site = config.topology.sites.iter().find(|s| s.id.as_str() == site).unwrap();
    site.labels["code"].parse().unwrap()
}

/// The last line of the last commune below a site, as it stands in the sample.
fn last_below(parent: &str) -> String {
    let text = include_str!("../../config/sites.yaml");
    let lines: Vec<&str> = text.lines().collect();
    let of = format!("parent: {parent},");
    let last = lines.iter().rposition(|l| l.contains(&of) && !l.contains("class:")).unwrap();
    let end = (last..).find(|n| lines[*n].trim_end().ends_with('}')).unwrap();
    lines[end].to_owned()
}

/// A sheet that says exactly what the sample says.
fn sheet_of_the_sample() -> Vec<Vec<Value>> {
    let topology = config::load(&config::sample()).unwrap().topology;
    let heads = [
        "STT",
        "Mã điểm cầu",
        "Tên điểm cầu",
        "Trực thuộc",
        "IP router",
        "IP codec",
        "Liên hệ",
        "Điện thoại",
        "Mã ĐVHC",
        "Nhà mạng",
    ];
    let mut rows = vec![heads.map(Value::from).to_vec()];
    for (n, site) in topology.sites.iter().enumerate() {
        let host = |id: &str| {
            let of = |ix: &vchealth::model::EndpointIx| topology.endpoint(*ix).id.as_str() == id;
            let endpoint = site.endpoints.iter().find(|ix| of(ix));
            endpoint.map_or(String::new(), |ix| topology.endpoint(*ix).host.to_string())
        };
        let contact = site.contacts.first();
        let label = |key: &str| site.labels.get(key).cloned().unwrap_or_default();
        let cells = [
            (n + 1).to_string(),
            site.id.to_string(),
            site.name.to_uppercase(),
            site.parent.map_or(String::new(), |parent| topology.site(parent).name.nfd().collect()),
            host("router"),
            format!("{}/24", host("codec")).trim_start_matches('/').replace("24/24", "24"),
            contact.map_or(String::new(), |c| c.name.clone()),
            contact.map_or(String::new(), |c| c.phone.replace(' ', ".")),
            label("code").trim_start_matches('0').to_owned(),
            label("isp"),
        ];
        rows.push(cells.map(Value::from).to_vec());
    }
    rows
}

#[test]
fn a_sheet_that_says_what_is_written_changes_nothing() {
    let rows = sheet_of_the_sample();
    let xlsx = workbook(|sheet| {
        for (r, row) in (0..).zip(&rows) {
            for (c, cell) in (0..).zip(row) {
                put(sheet, r, c, cell);
            }
        }
    });
    for (file, bytes) in [
        ("x.xlsx", xlsx),
        ("x.csv", csv_of(&rows, ',').unwrap().into_bytes()),
        ("semicolon.csv", csv_of(&rows, ';').unwrap().into_bytes()),
        ("bom.csv", [b"\xef\xbb\xbf", csv_of(&rows, '\t').unwrap().as_bytes()].concat()),
        ("utf16.csv", utf16(&csv_of(&rows, '\t').unwrap())),
        ("excel.csv", format!("sep=;\r\n{}", csv_of(&rows, ';').unwrap()).into_bytes()),
    ] {
        let plan = compare(&bytes, file, None).unwrap();
        assert_eq!(told(&plan), [] as [String; 0], "{file}");
        assert_eq!(plan.lines, [] as [String; 0], "{file}");
        assert_eq!(plan.summary, "no changes; 204 unchanged", "{file}");
        assert!(plan.text.is_none());
    }
}

fn utf16(text: &str) -> Vec<u8> {
    [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn names_in_the_encoding_of_windows_in_vietnam_are_read() {
    // "Tên;IP codec" and "Xã Tân Lập", whose last mark Windows-1258 writes behind its letter.
    let bytes = b"T\xean;IP codec\nXa\xde T\xe2n L\xe2\xf2p;10.70.5.11\n";
    let plan = compare(bytes, "x.csv", None).unwrap();
    assert_eq!(plan.lines, ["~ tan-lap                codec: 10.70.5.10 → 10.70.5.11   row 2"]);
    assert!(plan.notes.iter().any(|note| note.contains("Windows-1258")), "{:?}", plan.notes);
}

#[test]
fn what_is_no_spreadsheet_is_refused_with_what_to_do() {
    let zip = |files: &[(&str, Vec<u8>)]| {
        use std::io::Write as _;
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in files {
            let options = zip::write::SimpleFileOptions::default();
            zip.start_file(*name, options).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    };
    let bomb = zip(&[("xl/workbook.xml", vec![b' '; 65 << 20])]);
    assert!(bomb.len() < 1 << 20, "it is small: {}", bomb.len());
    let mut lying = workbook(|sheet| drop(sheet.write_string(0, 0, "x")));
    lying.truncate(lying.len() - 30);
    let mut ole = vec![0xd0, 0xcf, 0x11, 0xe0, 0xa1, 0xb1, 0x1a, 0xe1];
    ole.resize(4096, 0);
    for (bytes, reason) in [
        (bomb, "it unpacks to more than 64 MiB"),
        (lying, "this is no XLSX file, or a damaged one"),
        (ole, "an old Excel file (.xls), or one with a password"),
        (zip(&[("content.xml", b"<x/>".to_vec())]), "an archive, but no XLSX file"),
        (b"%PDF-1.7\0\x01".to_vec(), "this is neither an XLSX file nor text"),
        (b"T\xb9n;IP\nX\xb7 T\x06n;10.0.0.1\n".to_vec(), "neither UTF-8 nor Windows-1258"),
        (
            b"T\xc3\xaan;IP\n\"a;b\n".iter().chain(b"a;b\n".repeat(400).iter()).copied().collect(),
            "more than 1000 characters",
        ),
        (Vec::new(), "there is nothing in it"),
        (vec![b'a'; (16 << 20) + 1], "larger than 16 MiB"),
    ] {
        let problems = import::open("x", &bytes).unwrap_err();
        assert!(problems.list[0].reason.contains(reason), "{reason}: {problems}");
    }
    // Two cells a billion apart.
    let far = workbook(|sheet| {
        sheet.write_string(0, 0, "a").unwrap();
        sheet.write_string(1_048_575, 16_383, "b").unwrap();
    });
    let problems = import::open("x.xlsx", &far).unwrap_err();
    assert!(problems.list[0].reason.contains("far from any list"), "{problems}");
}

#[test]
fn the_sites_of_a_session_are_set_and_what_still_holds_stays_as_written() {
    let text = "Điểm cầu;Trực thuộc;Số đại biểu\nPhường Sông Cầu;;45\nPhường Đức Xuân;;12\n\
                Xã Tân Lập;Huyện Chợ Đồn;\n";
    let plan = compare(text.as_bytes(), "x.csv", Some("hdnd-2026-12")).unwrap();
    assert_eq!(told(&plan), [] as [String; 0]);
    let new = plan.text.unwrap();
    let sources = config::sample().with(File::Sessions, "sessions.yaml", new.clone());
    let config = config::load(&sources).unwrap();
    let session = config.sessions.iter().find(|s| s.id.as_str() == "hdnd-2026-12").unwrap();
    let of = |id: &str| {
        let site = config.topology.find_site(&vchealth::model::SiteId::new(id)).unwrap();
        session.sites.get(&site).copied()
    };
    assert_eq!(session.sites.len(), 3);
    assert_eq!([of("song-cau"), of("duc-xuan"), of("tan-lap")], [Some(45), Some(12), Some(45)]);
    // The other sessions and every comment are as they were.
    let old = include_str!("../../config/sessions.yaml");
    let kept = |line: &&str| !line.contains("list:") && !line.contains("levels:");
    let at = |text: &str, what: &str| text.find(what).unwrap();
    assert_eq!(new[..at(&new, "id: hdnd")], old[..at(old, "id: hdnd")]);
    assert_eq!(new[at(&new, "  # 204 sites")..], old[at(old, "  # 204 sites")..]);
    assert!(old.lines().filter(kept).count() > 40);

    // The same sites with two other figures: only those are set.
    let sources = config::sample();
    let config = config::load(&sources).unwrap();
    let session = config.sessions.iter().find(|s| s.id.as_str() == "chinh-phu-2027-01").unwrap();
    let mut text = "ID;Delegates\n".to_owned();
    for (site, figure) in &session.sites {
        let id = config.topology.site(*site).id.as_str();
        let figure = if id == "tan-lap" || id == "bac-kan" { 7 } else { *figure };
        text += &format!("{id};{figure}\n");
    }
    let plan = compare(text.as_bytes(), "x.csv", Some("chinh-phu-2027-01")).unwrap();
    let wanted = old.replace("sites: {bac-kan: 211}", "sites: {bac-kan: 7, tan-lap: 7}");
    assert_eq!(plan.text.unwrap(), wanted);
}

#[test]
fn the_default_of_a_session_stays_unless_most_of_its_sites_have_another_figure() {
    let sessions = "sessions:\n  - {id: giao-ban, title: Giao ban, start: 2026-12-03 08:00, duration: 2h, \
                    sites: all, delegates: {default: 20}}\n";
    let sources = config::sample().with(File::Sessions, "sessions.yaml", sessions);
    let written = |text: &str| {
        let book = import::open("x.csv", text.as_bytes()).unwrap();
        let plan = import::session(&book, &sources, "giao-ban").unwrap();
        assert_eq!(told(&plan), [] as [String; 0]);
        plan.text.unwrap()
    };
    let few = written("ID;Delegates\nbac-kan;50\ntan-lap;22\nbang-lang;18\n");
    assert!(few.contains("{default: 20, sites: {"), "{few}");
    assert!(few.contains("bac-kan: 50"), "{few}");
    let most = written("ID;Delegates\nbac-kan;50\ntan-lap;45\nbang-lang;45\n");
    assert!(most.contains("{default: 45, sites: {"), "{most}");
}

#[test]
fn the_first_sites_of_a_province_come_from_a_spreadsheet() {
    let sample = include_str!("../../config/sites.yaml");
    let head = &sample[..sample.find("\nsites:").unwrap()];
    let sources = SourceSet::new()
        .with(File::Settings, "vchealth.yaml", "channels: {}\n")
        .with(File::Sessions, "sessions.yaml", "sessions: []\n")
        .with(File::Sites, "sites.yaml", format!("{head}\nsites: []   # from the spreadsheet\n"));
    let text = "Name,Parent,Router,Codec\nTỉnh Bắc Kạn,,10.64.0.1,10.64.0.10\n\
                Huyện Ba Bể,Tỉnh Bắc Kạn,10.67.0.1,10.67.0.10\nXã Hà Hiệu,Ba Bể,10.67.4.1,\n";
    let book: Book = import::open("x.csv", text.as_bytes()).unwrap();
    let plan = import::sites(&book, &sources).unwrap();
    assert_eq!(told(&plan), [] as [String; 0]);
    assert_eq!(plan.summary, "+1 commune, +1 district, +1 province; 0 unchanged");
    let new = plan.text.unwrap();
    let added = "\nsites: \n  - {id: bac-kan, name: Tỉnh Bắc Kạn, class: province, router: 10.64.0.1, \
                 codec: 10.64.0.10, mcu: none}\n  - {id: ba-be, name: Huyện Ba Bể, class: district, \
                 parent: bac-kan, router: 10.67.0.1, codec: 10.67.0.10}\n  - {id: ha-hieu, name: Xã Hà \
                 Hiệu, parent: ba-be, router: 10.67.4.1, codec: none}   # from the spreadsheet\n";
    assert_eq!(&new[head.len()..], added);
}

#[test]
fn the_command_writes_only_when_told_to_and_keeps_the_file_as_it_was() {
    let dir = std::env::temp_dir().join(format!("vchealth-import-{}", std::process::id()));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    for (file, text) in [
        ("vchealth.yaml", include_str!("../../config/vchealth.yaml")),
        ("sites.yaml", include_str!("../../config/sites.yaml")),
        ("sessions.yaml", include_str!("../../config/sessions.yaml")),
    ] {
        fs::write(dir.join(file), text).unwrap();
    }
    let run = |sheet: &str, more: &[&str]| {
        let file = dir.join("x.csv");
        fs::write(&file, sheet).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vchealth"));
        command.arg("import").arg(&file).arg("--config").arg(&dir).args(more);
        let out = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
    };
    let files = || fs::read_dir(&dir).unwrap().count();
    let sites = || fs::read_to_string(dir.join("sites.yaml")).unwrap();
    let before = (files() + 1, sites());
    let good = "Tên;Trực thuộc;IP codec\nTân Lập;Chợ Đồn;10.70.5.11\n";

    let (code, out, _) = run(good, &[]);
    assert_eq!((code, files(), sites()), (0, before.0, before.1.clone()), "{out}");
    assert!(out.contains("1 address changed") && out.contains("--write changes"), "{out}");

    let (code, _, told) =
        run("Tên;Trực thuộc;IP codec\nTân Lập;Chợ Đồn;10.70.5.999\n", &["--write"]);
    assert_eq!((code, files(), sites()), (1, before.0, before.1.clone()), "{told}");
    assert!(told.contains("x.csv:R2C3 (C2): error:"), "{told}");

    let (code, out, _) = run(good, &["--write"]);
    assert_eq!((code, files()), (0, before.0 + 1), "{out}");
    assert_eq!(sites(), before.1.replace("codec: 10.70.5.10,", "codec: 10.70.5.11,"));
    let backups = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path());
    let backup = backups
        .into_iter()
        .find(|path| path.file_name().unwrap().display().to_string().starts_with("sites.yaml."))
        .unwrap();
    assert_eq!(fs::read_to_string(backup).unwrap(), before.1);

    let (code, out, _) = run(good, &["--write"]);
    assert_eq!((code, files()), (0, before.0 + 1), "{out}");
    assert!(out.contains("there is nothing to write"), "{out}");

    assert_eq!(run(good, &["--session", "nobody"]).0, 64);
    fs::write(dir.join("sites.yaml"), "sites: 1\n").unwrap();
    assert_eq!(run(good, &[]).0, 78);
    fs::remove_dir_all(&dir).unwrap();
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

        #[test]
        fn whatever_the_bytes_are_they_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = import::open("x", &bytes);
        }

        /// A few fields of anything, below headings that are known: it is understood or told, and
        /// what would be written is sound.
        #[test]
        fn whatever_the_cells_say_the_result_is_sound(
            rows in prop::collection::vec(prop::collection::vec(prop::sample::select(&[
                "", "Xã Tân Lập", "Tân Lập", "Chợ Đồn", "Huyện Chợ Đồn", "Xã Mới: {a}", "Xã \"B\" #c", "10.70.5.1",
                "10.70.90.1", "10.70.90.10", "none", "-", "0912345678", "01837", "1837", "tan-lap", "moi", "null",
                "true", "[x]", "à", "\\", "'", "Xã 'Q'",
            ][..]), 6..7), 0..5)
        ) {
            let mut text = "Tên|Trực thuộc|IP router|IP codec|Liên hệ|Model\n".to_owned();
            for row in rows {
                text += &(row.join("|") + "\n");
            }
            if let Ok(book) = import::open("x.csv", text.as_bytes()) {
                let plan = import::sites(&book, &config::sample()).unwrap();
                if let Some(new) = &plan.text {
                    let sources = config::sample().with(File::Sites, "sites.yaml", new.clone());
                    prop_assert!(config::load(&sources).is_ok());
                    // What was taken over once changes nothing the second time.
                    let again = import::sites(&book, &sources).unwrap();
                    prop_assert!(again.text.is_none(), "{:?} then {:?}", plan.lines, again.lines);
                } else {
                    prop_assert!(plan.faults.is_some() || plan.lines.is_empty());
                }
            }
        }
    }
}

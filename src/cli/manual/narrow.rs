//! Lays a commented YAML file out for a narrower page, without changing what it says.
//!
//! 1. Comments that stand by themselves are filled anew, paragraph by paragraph; rows of a table
//!    keep their columns.
//! 2. A comment behind a value goes on in the lines below, in its own column; where that leaves too
//!    little room, it stands above the value.
//! 3. A value that is too wide is broken after a comma, which is the same YAML.
//! 4. Settings that are commented out are no prose and are treated as values.

/// Columns that a comment behind a value needs at least.
const ROOM: usize = 24;

/// The text with no line wider than `width` characters, as far as it can be broken.
pub(super) fn narrow(text: &str, width: usize) -> String {
    let mut pieces: Vec<Piece> = Vec::new();
    for line in text.lines() {
        for piece in Piece::of(line, width) {
            match pieces.last_mut() {
                Some(before) if before.goes_on_in(&piece) => before.words.extend(piece.words),
                _ => pieces.push(piece),
            }
        }
    }
    let mut out = String::new();
    for piece in pieces {
        piece.write(width, &mut out);
    }
    out
}

/// What is filled as one: its words, and what stands before them in its first line and the others.
#[derive(Clone)]
struct Piece {
    first: String,
    rest: String,
    words: Vec<String>,
    /// A comment of its own, which may go on in the next line.
    prose: bool,
}

impl Piece {
    fn of(line: &str, width: usize) -> Vec<Self> {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect();
        let indent = " ".repeat(line.len() - line.trim_start().len());
        let comment = line.trim_start().strip_prefix('#');
        if let Some(prose) = comment.filter(|rest| is_prose(rest)) {
            let text = prose.trim_start();
            let column = 1 + prose.len() - text.len();
            // The second column of a row.
            let row = (column > 2).then(|| text.find("  ")).flatten();
            let row = row.map(|gap| gap + text[gap..].len() - text[gap..].trim_start().len());
            let (first, text) = text.split_at(row.unwrap_or(0));
            let rest = format!("{indent}#{}", " ".repeat(column - 1 + first.chars().count()));
            let first = format!("{indent}#{}{first}", " ".repeat(column - 1));
            return vec![Self { first, rest, words: words(text), prose: true }];
        }
        let hidden = comment.is_some_and(|rest| rest.starts_with(' '));
        let as_is = Self {
            first: String::new(),
            rest: String::new(),
            words: vec![line.to_owned()],
            prose: false,
        };
        if line.chars().count() <= width {
            return vec![as_is];
        }
        let mark = if hidden { format!("{indent}#") } else { String::new() };
        if let Some(at) = line.rfind(" # ").filter(|at| *at > indent.len() + 2) {
            let (value, comment) = line.split_at(at + 1);
            let (column, comment) = (value.chars().count(), words(&comment[2..]));
            if column + ROOM > width {
                let above = format!("{indent}# ");
                let above =
                    Self { first: above.clone(), rest: above, words: comment, prose: false };
                return [vec![above], Self::of(value.trim_end(), width)].concat();
            }
            let gap = " ".repeat(column - mark.chars().count());
            let (first, rest) = (format!("{value}# "), format!("{mark}{gap}# "));
            return vec![Self { first, rest, words: comment, prose: false }];
        }
        let inner = line[mark.len()..].len() - line[mark.len()..].trim_start().len();
        let text = line[mark.len()..].trim_start();
        vec![Self {
            first: format!("{mark}{}", " ".repeat(inner)),
            rest: format!("{mark}{}", " ".repeat(inner + 4)),
            words: text.split_inclusive(", ").map(|it| it.trim_end().to_owned()).collect(),
            prose: false,
        }]
    }

    /// Whether the other one is the next line of this one.
    fn goes_on_in(&self, next: &Self) -> bool {
        self.prose && next.prose && next.first == self.rest && !self.words.is_empty()
    }

    fn write(&self, width: usize, out: &mut String) {
        let mut line = self.first.clone();
        let mut empty = true;
        for word in &self.words {
            if !empty && line.chars().count() + 1 + word.chars().count() > width {
                out.push_str(line.trim_end());
                out.push('\n');
                line.clone_from(&self.rest);
                empty = true;
            }
            if !empty {
                line.push(' ');
            }
            line.push_str(word);
            empty = false;
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Whether what follows a `#` is said to people, and is no setting that is commented out.
fn is_prose(rest: &str) -> bool {
    let text = rest.trim_start();
    let key = text.split(':').next().unwrap_or_default();
    let is_key = key.len() < text.len()
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c));
    rest.starts_with(' ') && !text.is_empty() && !is_key && !text.starts_with(['-', '{', '['])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowed(text: &[&str]) -> Vec<String> {
        narrow(&text.join("\n"), 40).lines().map(str::to_owned).collect()
    }

    #[test]
    fn paragraphs_are_filled_and_stay_apart() {
        let text = ["# One two three four five six seven eight", "# nine ten.", "#", "# Eleven."];
        let wanted = ["# One two three four five six seven", "# eight nine ten.", "#", "# Eleven."];
        assert_eq!(narrowed(&text), wanted);
    }

    #[test]
    fn a_comment_behind_a_value_goes_on_below_itself_or_stands_above() {
        let text = [
            "  after: 15m # with no session on, nor near (10s–1d)",
            "  live: 5m   # short",
            "  somewhat_longer: {idle: 15m} # with no session on",
        ];
        let wanted = [
            "  after: 15m # with no session on, nor",
            "             # near (10s–1d)",
            "  live: 5m   # short",
            "  # with no session on",
            "  somewhat_longer: {idle: 15m}",
        ];
        assert_eq!(narrowed(&text), wanted);
    }

    #[test]
    fn what_is_commented_out_stays_so() {
        let text = ["  # urls: [a] # every member of the whole cluster"];
        let wanted = ["  # urls: [a] # every member of the", "  #           # whole cluster"];
        assert_eq!(narrowed(&text), wanted);
    }

    #[test]
    fn rows_keep_their_columns() {
        let text =
            ["#   id     lower-case letters, digits, also", "#          hyphens", "#   name   any"];
        let wanted =
            ["#   id     lower-case letters, digits,", "#          also hyphens", "#   name   any"];
        assert_eq!(narrowed(&text), wanted);
    }

    #[test]
    fn a_wide_value_is_broken_after_a_comma() {
        let text = ["  - {id: tan-lap, name: Xã Tân Lập, codec: none}"];
        let wanted = ["  - {id: tan-lap, name: Xã Tân Lập,", "      codec: none}"];
        assert_eq!(narrowed(&text), wanted);
    }

    #[test]
    fn the_samples_are_the_same_yaml_afterwards() {
        for text in [
            include_str!("../../../config/vchealth.yaml"),
            include_str!("../../../config/sites.yaml"),
            include_str!("../../../config/sessions.yaml"),
        ] {
            let read = |text: &str| -> serde_json::Value { serde_yaml::from_str(text).unwrap() };
            assert_eq!(read(&narrow(text, 73)), read(text));
        }
    }
}

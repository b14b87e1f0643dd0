//! The forms in which a report is written.

/// A form in which a report is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportFormat {
    /// One page without anything from elsewhere, for paper (A4) and for a phone.
    Html,
    /// A workbook: summary, sites, incidents, earlier sessions.
    Xlsx,
    /// One line for each site.
    Csv,
    /// Everything, for programs.
    Json,
}

impl ReportFormat {
    /// All forms.
    pub const ALL: [Self; 4] = [Self::Html, Self::Xlsx, Self::Csv, Self::Json];

    /// The word in settings and on the command line, which is also the end of a file's name.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Xlsx => "xlsx",
            Self::Csv => "csv",
            Self::Json => "json",
        }
    }

    /// The form with this word.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }

    /// The media type (RFC 6838) with its character set.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            Self::Csv => "text/csv; charset=utf-8",
            Self::Json => "application/json",
        }
    }
}

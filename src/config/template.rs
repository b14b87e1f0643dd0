//! Texts of people's own for parts of a message, as they were found beside the settings.
//!
//! What they say is judged by the room that writes messages, which knows what they can use.

use crate::model::Language;

/// A part of a message, or a message of a form of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TemplatePart {
    /// The first line.
    Summary,
    /// What it means.
    Description,
    /// What to do.
    Action,
    /// Whom to phone.
    Contact,
    /// The first line of several incidents.
    Digest,
    /// A short message, however many incidents it tells of.
    Sms,
    /// What a readiness run found.
    Readiness,
}

impl TemplatePart {
    /// The parts of a message about one incident, in the order in which they are read.
    pub const OF_ONE: [Self; 4] = [Self::Summary, Self::Description, Self::Action, Self::Contact];

    /// All parts: those of one incident, then the others.
    pub const ALL: [Self; 7] = [
        Self::Summary,
        Self::Description,
        Self::Action,
        Self::Contact,
        Self::Digest,
        Self::Sms,
        Self::Readiness,
    ];

    /// The word in file names and messages.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::Description => "description",
            Self::Action => "action",
            Self::Contact => "contact",
            Self::Digest => "digest",
            Self::Sms => "sms",
            Self::Readiness => "readiness",
        }
    }
}

/// The text for one part in one language: `templates/vi/summary.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// In which language.
    pub language: Language,
    /// For which part.
    pub part: TemplatePart,
    /// The file, as people know it.
    pub file: String,
    /// What stands in it.
    pub text: String,
}

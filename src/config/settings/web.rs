//! The web server's door, as `vchealth.yaml` names it.

use std::sync::Arc;

use crate::config::web::Access;

/// Who may reach the web server, and how.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WebSettings {
    /// The web configuration file as it is written, relative to the directory of the settings; none
    /// for a server without encryption and log-in.
    pub config_file: Option<String>,
    /// What that file says. It can be read again without the other files.
    pub access: Arc<Access>,
}

//! Texts of a configuration. A mistake is told, never a panic; what is read is printed alike.

use detector::Detector;
use service::Config;

/// Reads a text as a detector, and as the value of each variable.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(detector) = text.parse::<Detector>() {
        let again = detector.to_string().parse::<Detector>();
        assert_eq!(again.as_ref(), Ok(&detector), "{text}");
    }
    for variable in service::config::Variable::ALL {
        // Those that name a file would be read.
        if !variable.name.ends_with("_FILE") {
            let _told = Config::from_env([(variable.name.to_owned(), text.to_owned())].into_iter());
        }
    }
}

//! Texts of a configuration: an error, or a value that prints back equal.

use detector::Detector;
use service::Config;

/// Parses a text as a detector, and as the value of each variable.
pub fn text(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(detector) = text.parse::<Detector>() {
        let again = detector.to_string().parse::<Detector>();
        assert_eq!(again.as_ref(), Ok(&detector), "{text}");
    }
    for variable in service::config::Variable::ALL {
        // A variable with the path of a file would read it.
        if !variable.name.ends_with("_FILE") {
            let _result =
                Config::from_env([(variable.name.to_owned(), text.to_owned())].into_iter());
        }
    }
}

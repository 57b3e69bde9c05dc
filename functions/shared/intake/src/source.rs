//! Source of samples in the formats of other products.

use domain::series::{SOURCE_DEFAULT, is_name};

/// The source of a sender that gives itself this name; `None` if the text is no name.
///
/// A sender named as the default source has none either, or its series would be those of a sender without a name: the text
/// stays a label.
pub(crate) fn of_sender(name: Option<&str>) -> Option<&str> {
    name.filter(|name| is_name(name) && *name != SOURCE_DEFAULT)
}

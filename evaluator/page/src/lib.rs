//! Builds self-contained HTML pages: style and chart script are part of the page, so a report opens offline.
//!
//! Shared by the reports of detection quality and of load, which do not depend on each other. The page of the functions
//! draws its charts by the same uPlot.

/// uPlot, which draws charts; `vendor/update.sh` downloads another version.
pub const UPLOT_SCRIPT: &str = include_str!("../vendor/uPlot.iife.min.js");

/// Style sheet of uPlot.
pub const UPLOT_STYLE: &str = include_str!("../vendor/uPlot.min.css");

/// Style sheet of every report, light and dark, with that of uPlot.
pub const STYLE: &str =
    concat!(include_str!("../vendor/uPlot.min.css"), "\n", include_str!("style.css"));

/// uPlot, and the functions that the scripts of every report share.
pub const CHART_SCRIPT: &str =
    concat!(include_str!("../vendor/uPlot.iife.min.js"), "\n", include_str!("chart.js"));

/// Replaces each `{{name}}` of the template by its value, in one pass: braces inside a value are left alone.
///
/// # Panics
/// If a brace is not closed or a name has no value: templates are constants of the program.
pub fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut page = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("templates close each brace");
        let value = values.iter().find(|(known, _)| *known == name);
        page.push_str(before);
        page.push_str(value.expect("templates name known values only").1);
        rest = after;
    }
    page + rest
}

/// Serializes a value as JSON that is safe inside a `<script>` element.
pub fn embed(value: &impl serde::Serialize) -> String {
    let json = serde_json::to_string(value).expect("plain structs have a JSON text");
    json.replace('<', "\\u003c")
}

/// Escapes a text for HTML, between tags or in a quoted attribute.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            _ => escaped.push(c),
        }
    }
    escaped
}

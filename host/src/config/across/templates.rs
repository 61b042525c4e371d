//! Finds names in templates that no message and no output can supply.
//!
//! Attributes of the output take precedence. So a name is reported only if the output cannot have it (attribute names of a
//! CloudEvent are lower-case letters and digits) and the message cannot have it either.

use cofferdam_core::envelope::{Envelope, Wrapping, is_attribute_name};

use super::super::read::Reader;
use super::super::route::Read;

pub(super) fn names_can_be_there(reader: &Reader<'_>, read: &Read) {
    let parts = read.route.parts();
    for places in &read.outputs {
        let Some(rule) = parts.outputs.get(places.name.as_str()) else { continue };
        if rule.wrapping != Wrapping::CloudEvents {
            continue;
        }
        let templates = [&rule.key, &rule.group, &rule.deduplication].into_iter().flatten();
        for (template, at) in templates.zip(&places.templates) {
            let shown = template.to_string();
            // A header may have any name; the template shows it with the prefix `header:`.
            let attributes = template.open_names().filter(|name| shown.contains(&format!("{{{name}}}")));
            for name in attributes.filter(|name| !is_attribute_name(name)) {
                let what = format!("{{{name}}} is not a CloudEvents attribute; expected a name of a-z and 0-9");
                let plain = name.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
                match &parts.envelope {
                    Envelope::Json(paths) if paths.attributes.iter().any(|(known, _)| **known == *name) => {}
                    // A producer that violates the specification could still send it.
                    Envelope::CloudEvents => reader.warning(at, what, format!("did you mean {{{plain}}}?")),
                    Envelope::Json(_) | Envelope::Raw => reader.problem(at, what, format!("did you mean {{{plain}}}?")),
                }
            }
        }
    }
}

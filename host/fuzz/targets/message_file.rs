//! Any text as the message of `invoke`: read, or refused in words.

#![no_main]

use cofferdam::message_file::MessageFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Err(error) = MessageFile::parse(text) {
        assert!(!error.to_string().is_empty());
    }
});

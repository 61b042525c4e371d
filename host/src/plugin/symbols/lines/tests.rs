//! Debug information as compilers write it, and malicious debug information.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

/// Sets the address to 10 and the line to 7, advances by 4 bytes and 2 lines, and ends 4 bytes later.
const TWO_LINES: [u8; 17] = [0, 5, 2, 10, 0, 0, 0, 3, 6, 1, 2, 4, 3, 2, 1, 2, 4];
const END: [u8; 3] = [0, 1, 1];

/// A line program of version 4 for the file `src/lib.rs`.
fn line_program(instructions: &[u8]) -> Vec<u8> {
    let names = b"src\0\0lib.rs\0\x01\0\0\0";
    let mut header = vec![1, 1, 1, 0xfb, 14, 13, 0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1];
    header.extend(names);
    let length = (2 + 4 + header.len() + instructions.len()) as u32;
    [&length.to_le_bytes()[..], &[4, 0], &(header.len() as u32).to_le_bytes(), &header, instructions].concat()
}

/// A component with a function of some thirty bytes, and this section.
fn component(debug_line: &[u8]) -> Vec<u8> {
    let escaped: String = debug_line.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let nops = "nop ".repeat(30);
    wat::parse_str(format!(r#"(component (core module (func {nops}) (@custom ".debug_line" "{escaped}")))"#)).unwrap()
}

#[test]
fn an_instruction_has_the_line_that_the_compiler_says() {
    let bytes = component(&line_program(&[&TWO_LINES[..], &END].concat()));
    let lines = Lines::of(&bytes);
    let code = modules(&bytes)[0].code.0;
    let at = |address: usize| lines.at(code + address);
    assert_eq!(at(9), None);
    assert_eq!((at(10), at(13)), (Some(("src/lib.rs", 7)), Some(("src/lib.rs", 7))));
    assert_eq!((at(14), at(17)), (Some(("src/lib.rs", 9)), Some(("src/lib.rs", 9))));
    assert_eq!((at(18), lines.at(0), lines.at(usize::MAX)), (None, None, None));
}

#[test]
fn what_the_linker_left_out_has_no_lines() {
    for address in [0_u32, 500, u32::MAX] {
        let mut instructions = [&TWO_LINES[..], &END].concat();
        instructions[3..7].copy_from_slice(&address.to_le_bytes());
        assert!(Lines::of(&component(&line_program(&instructions))).rows.is_empty(), "{address}");
    }
}

#[test]
fn debug_information_that_means_harm_costs_little() {
    // An endless number of rows; many files; a header that expands to a hundred times its size; noise.
    let rows = [0x01, 0x15].repeat(1 << 20);
    let header = line_program(&vec![0; 2 << 20]);
    let mut long = header.clone();
    long[6..10].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    let files: Vec<u8> =
        (0..1_u32 << 18).flat_map(|file| [4, (file & 0x7f) as u8 | 0x80, (file >> 7 & 0x7f) as u8, 1]).collect();
    let too_large = line_program(&vec![1; PROGRAMS]);
    for section in [line_program(&[&TWO_LINES[..7], &rows].concat()), header, long, line_program(&files), too_large] {
        let bytes = component(&section);
        let started = Instant::now();
        let lines = Lines::of(&bytes);
        assert!(lines.rows.len() <= ROWS && lines.names <= NAMES, "{} rows", lines.rows.len());
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}

proptest! {
    #[test]
    fn nothing_in_a_section_is_a_panic(
        noise in prop::collection::vec(any::<u8>(), 0..200),
        place in 0..80_usize,
        byte in any::<u8>(),
    ) {
        let mut section = line_program(&[&TWO_LINES[..], &END, &noise].concat());
        let place = place.min(section.len() - 1);
        section[place] = byte;
        let bytes = component(&section);
        let lines = Lines::of(&bytes);
        (0..bytes.len()).for_each(|offset| assert!(lines.at(offset).is_none_or(|(file, _)| file.len() <= NAME)));
        Lines::of(&component(&noise));
        Lines::of(&noise);
    }
}

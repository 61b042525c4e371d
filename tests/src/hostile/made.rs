//! Generated files: bytes that are no component, and components with false sizes.

/// The first bytes of a component.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";
/// The first bytes of a module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Returns the file with this name.
pub(super) fn made(name: &str) -> Option<Vec<u8>> {
    Some(match name {
        "file-empty" => Vec::new(),
        "file-of-text" => b"#!/bin/sh\nrm -rf /\n".to_vec(),
        "file-of-another-kind" => b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0".to_vec(),
        "file-too-large" => [COMPONENT, &vec![0; 256 << 20]].concat(),
        "file-of-noise" => [COMPONENT, &noise(100_000)].concat(),
        "file-cut" => {
            let whole =
                wat::parse_str("(component (core module (memory 1) (data (i32.const 0) \"hello, world\")))").ok()?;
            whole[..whole.len() - 9].to_vec()
        }
        // A section with a declared size of 4 GiB.
        "size-of-section" => [COMPONENT, &[1, 0xff, 0xff, 0xff, 0xff, 0x0f]].concat(),
        // A section with a declared count of 4 thousand million types, and two bytes of content.
        "number-of-types" => component(&[MODULE, &[1, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x60]].concat()),
        // A function with a declared count of 4 thousand million locals.
        "number-of-locals" => component(
            &[
                MODULE,
                &[1, 4, 1, 0x60, 0, 0],
                &[3, 2, 1, 0],
                &[10, 10, 1, 8, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x7f, 0x0b],
            ]
            .concat(),
        ),
        // A function name with a declared length of 4 GiB, in a section that is optional to read.
        "name-of-a-function" => {
            component(&[MODULE, &custom("name", &[1, 7, 1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f])].concat())
        }
        "components-inside-each-other" => nested(20_000),
        _ => return None,
    })
}

/// Returns generated items of a module, too long for a file, by the name of the row.
pub(super) fn items(name: &str) -> Option<String> {
    Some(match name {
        // Mangled names of Rust and C++ that are long and slow to demangle.
        "names-of-every-function" => {
            let (rust, cpp) = ("TB_B_E".repeat(300), "nw".repeat(200));
            let pair = |number| {
                format!("(func (@name \"_RINvC1a{number}_1f{rust}E\"))(func (@name \"_Z1aIX{cpp}{number}E\"))")
            };
            (0..1_000).map(pair).collect()
        }
        // Each line program names a file with a high number, and its header has no files.
        "lines-of-files-that-are-not-there" => {
            let program = line_program(&[4, 0xff, 0xff, 0x0f, 6, 0, 1, 1]);
            debug_line(&program.repeat((1 << 20) / program.len()))
        }
        // One line program with a new row for each byte, whose end says that there is no code.
        "lines-without-end" => debug_line(&line_program(&[[6, 7].repeat(1 << 20), vec![0, 1, 1]].concat())),
        _ => return None,
    })
}

/// Returns a module with this debug information.
fn debug_line(section: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(3 * section.len() + 64);
    text += "(@custom \".debug_line\" \"";
    section.iter().for_each(|byte| write!(text, "\\{byte:02x}").expect("a string takes it"));
    text + "\")"
}

/// Returns a line program of version 4 without files; opcodes from 5 on add rows.
fn line_program(instructions: &[u8]) -> Vec<u8> {
    let header = [1, 1, 1, 0xfb, 14, 5, 0, 1, 1, 1, 0, 0];
    let length = (2 + 4 + header.len() + instructions.len()) as u32;
    [&length.to_le_bytes()[..], &[4, 0], &(header.len() as u32).to_le_bytes(), &header, instructions].concat()
}

/// Returns a component that contains this core module.
fn component(module: &[u8]) -> Vec<u8> {
    component_of(1, module)
}

fn component_of(section: u8, content: &[u8]) -> Vec<u8> {
    [COMPONENT, &[section], &leb(content.len()), content].concat()
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    let content = [&leb(name.len()), name.as_bytes(), content].concat();
    [&[0], &*leb(content.len()), &content].concat()
}

fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// Returns pseudo-random bytes that are the same in each run.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    (0..length).map(next).collect()
}

/// Returns components nested to this depth.
fn nested(depth: usize) -> Vec<u8> {
    // Build from the inside out, because each level starts with its length; the order is reversed at the end.
    let (mut heads, mut length) = (Vec::new(), COMPONENT.len());
    for _ in 0..depth {
        let head = [COMPONENT, &[4], &leb(length)].concat();
        length += head.len();
        heads.push(head);
    }
    heads.reverse();
    [&heads.concat(), COMPONENT].concat()
}

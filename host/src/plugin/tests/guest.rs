//! Components as text: the types of the contract, an allocator, and the code of a test.

/// A component that exports the handler of the contract.
///
/// Its core module uses the memory of `libc`: the answer is at 1024 (done, without outputs, unless the test writes
/// there), free space begins at 2048, and the arguments at 65536.
#[derive(Default, Clone)]
pub(super) struct Guest {
    /// Component imports.
    pub(super) imports: String,
    /// `(export "name" (func $name))` for each function that is lowered into the core module, after its `canon lower`s.
    pub(super) lowered: String,
    pub(super) lowers: String,
    /// Imports of the core module.
    pub(super) core_imports: String,
    /// Further items of the core module.
    pub(super) items: String,
    /// Instructions of `handle`; `$message` is the pointer to the message. If they do not return, the answer at 1024 is
    /// returned.
    pub(super) handle: String,
    /// Instructions of the post-return function of `handle`.
    pub(super) post_return: String,
    /// Imports of the module with memory and allocator, and instructions that run before each allocation.
    pub(super) realloc_imports: String,
    pub(super) realloc: String,
    /// Initial pages of memory, and the rest of the declaration.
    pub(super) memory: Option<String>,
}

/// Returns a guest whose `handle` runs `instructions`.
pub(super) fn handle(instructions: &str) -> Guest {
    Guest { handle: instructions.into(), ..Guest::default() }
}

/// Returns a guest that returns one output: named after the message id, with the key, headers, attributes and payload
/// of the message. The fields from key to payload have the same order in both records.
pub(super) fn echo() -> Guest {
    handle(&format!("{ECHO} {}", outputs(2048, 1)))
}

const ECHO: &str = "(memory.copy (i32.const 2048) (local.get $message) (i32.const 8))
    (memory.copy (i32.const 2056) (i32.add (local.get $message) (i32.const 24)) (i32.const 40))";

/// Returns instructions that answer with `count` outputs at `at`.
pub(super) fn outputs(at: u32, count: u32) -> String {
    format!(
        "(i32.store8 (i32.const 1024) (i32.const 0))
        (i32.store (i32.const 1032) (i32.const {at})) (i32.store (i32.const 1036) (i32.const {count}))"
    )
}

/// Returns a guest that fails with case `kind` of the contract, this code and text, and a delay of 1500 ms.
pub(super) fn failure(kind: u32, code: &str, text: &str) -> Guest {
    let (code_length, text_length) = (code.len(), text.len());
    let escape = |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
    let (code, text) = (escape(code), escape(text));
    Guest {
        items: format!(r#"(data (i32.const 2048) "{code}") (data (i32.const 4096) "{text}")"#),
        ..handle(&format!(
            "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (i32.const {kind}))
            (i32.store (i32.const 1040) (i32.const 2048)) (i32.store (i32.const 1044) (i32.const {code_length}))
            (i32.store (i32.const 1048) (i32.const 4096)) (i32.store (i32.const 1052) (i32.const {text_length}))
            (i32.store8 (i32.const 1056) (i32.const 1)) (i64.store (i32.const 1064) (i64.const 1500))"
        ))
    }
}

impl Guest {
    /// The component as bytes.
    pub(super) fn build(&self) -> Vec<u8> {
        let text = self.text();
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// The component as text.
    pub(super) fn text(&self) -> String {
        let Self {
            imports, lowered, lowers, core_imports, items, handle, post_return, realloc_imports, realloc, ..
        } = self;
        let memory = self.memory.as_deref().unwrap_or("4");
        let post = if post_return.is_empty() { "" } else { r#"(post-return (core func $main "post-return"))"# };
        format!(
            r#"(component
            {imports}
            (core module $Libc
                {realloc_imports}
                (memory (export "memory") {memory})
                (global $next (export "next") (mut i32) (i32.const 65536))
                (func $cabi_realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                    (local $at i32)
                    {realloc}
                    (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
                    (global.set $next (i32.add (local.get $at) (local.get 3)))
                    (local.get $at)))
            {lowers}
            (core module $Main
                {core_imports}
                (import "libc" "memory" (memory 1))
                (import "libc" "next" (global $next (mut i32)))
                {items}
                (func $handle (export "handle") (param $message i32) (result i32) (local $at i32)
                    (global.set $next (i32.const 65536))
                    {handle}
                    (i32.const 1024))
                (func $post_return (export "post-return") (param i32) {post_return}))
            (core instance $main (instantiate $Main (with "libc" (instance $libc)) (with "host" (instance {lowered}))))
            {TYPES}
            (func $handle (param "message" $message) (result (result (list $output) (error $failure)))
                (canon lift (core func $main "handle") (memory (core memory $libc "memory")) (realloc (core func $libc "cabi_realloc"))
                    {post}))
            {SHIM})"#,
            lowers = if lowers.is_empty() { "(core instance $libc (instantiate $Libc))" } else { lowers },
        )
    }
}

const TYPES: &str = r#"
    (type $header (record (field "name" string) (field "value" (list u8))))
    (type $message (record (field "id" string) (field "source" string) (field "position" string)
        (field "key" (option (list u8))) (field "headers" (list $header))
        (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))
        (field "timestamp-ms" u64) (field "attempt" u32)))
    (type $output (record (field "to" string) (field "key" (option (list u8))) (field "headers" (list $header))
        (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))))
    (type $fault (record (field "code" string) (field "text" string) (field "retry-after-ms" (option u64))))
    (type $failure (variant (case "retryable" $fault) (case "permanent" $fault) (case "deferred" $fault)))"#;

/// Gives the types the names that an exported interface requires.
const SHIM: &str = r#"
    (component $Shim
        (type $header' (record (field "name" string) (field "value" (list u8))))
        (import "header" (type $header (eq $header')))
        (type $message' (record (field "id" string) (field "source" string) (field "position" string)
            (field "key" (option (list u8))) (field "headers" (list $header))
            (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))
            (field "timestamp-ms" u64) (field "attempt" u32)))
        (import "message" (type $message (eq $message')))
        (type $output' (record (field "to" string) (field "key" (option (list u8))) (field "headers" (list $header))
            (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))))
        (import "output" (type $output (eq $output')))
        (type $fault' (record (field "code" string) (field "text" string) (field "retry-after-ms" (option u64))))
        (import "fault" (type $fault (eq $fault')))
        (type $failure' (variant (case "retryable" $fault) (case "permanent" $fault) (case "deferred" $fault)))
        (import "failure" (type $failure (eq $failure')))
        (import "handle" (func $handle (param "message" $message)
            (result (result (list $output) (error $failure)))))
        (export $header-out "header" (type $header'))
        (type $message-out' (record (field "id" string) (field "source" string) (field "position" string)
            (field "key" (option (list u8))) (field "headers" (list $header-out))
            (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))
            (field "timestamp-ms" u64) (field "attempt" u32)))
        (export $message-out "message" (type $message-out'))
        (type $output-out' (record (field "to" string) (field "key" (option (list u8)))
            (field "headers" (list $header-out)) (field "attributes" (list (tuple string string)))
            (field "payload" (option (list u8)))))
        (export $output-out "output" (type $output-out'))
        (export $fault-out "fault" (type $fault'))
        (type $failure-out' (variant (case "retryable" $fault-out) (case "permanent" $fault-out)
            (case "deferred" $fault-out)))
        (export $failure-out "failure" (type $failure-out'))
        (export "handle" (func $handle) (func (param "message" $message-out)
            (result (result (list $output-out) (error $failure-out))))))
    (instance $shim (instantiate $Shim (with "header" (type $header)) (with "message" (type $message))
        (with "output" (type $output)) (with "fault" (type $fault)) (with "failure" (type $failure))
        (with "handle" (func $handle))))
    (export "cofferdam:plugin/handler@0.1.0" (instance $shim))"#;

;; What all hostile components have in common: the contract's types, a memory with an allocator, and places for what makes
;; each of them hostile. `{{name}}` is what stands under `;;= name` in a component's file.
;;
;; In the memory: the answer at 1024 (done, no outputs, until somebody writes there), free space from 2048, what the host
;; lowers from 65536 on.
(component
  {{component}}

  (core module $Libc
    {{early-functions}}
    (memory (export "memory") {{memory}})
    (global $next (export "next") (mut i32) (i32.const 65536))
    {{libc}}
    (func $cabi_realloc (export "cabi_realloc") (param $old i32) (param $old-size i32) (param $align i32) (param $size i32)
      (result i32) (local $at i32)
      {{realloc}}
      (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
      (global.set $next (i32.add (local.get $at) (local.get $size)))
      (local.get $at)))
  {{lowers}}

  (core module $Main
    {{functions}}
    (import "libc" "memory" (memory 1))
    (import "libc" "next" (global $next (mut i32)))
    {{items}}
    (func $answer (param $outputs i32) (param $count i32)
      (i32.store (i32.const 1032) (local.get $outputs)) (i32.store (i32.const 1036) (local.get $count)))
    (func $fail (param $case i32) (param $code i32) (param $code-length i32) (param $text i32) (param $text-length i32)
      (i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1032) (local.get $case))
      (i32.store (i32.const 1040) (local.get $code)) (i32.store (i32.const 1044) (local.get $code-length))
      (i32.store (i32.const 1048) (local.get $text)) (i32.store (i32.const 1052) (local.get $text-length)))
    (func $handle (export "handle") (param $message i32) (result i32) (local $i i32) (local $at i32)
      (global.set $next (i32.const 65536))
      {{handle}}
      (i32.const 1024))
    (func $post-return (export "post-return") (param i32)
      {{post-return}}))
  (core instance $main (instantiate $Main (with "libc" (instance $libc)) (with "host" (instance {{lowered}}))))

  (type $header (record (field "name" string) (field "value" (list u8))))
  (type $message (record (field "id" string) (field "source" string) (field "position" string)
      (field "key" (option (list u8))) (field "headers" (list $header))
      (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))
      (field "timestamp-ms" u64) (field "attempt" u32)))
  (type $output (record (field "to" string) (field "key" (option (list u8))) (field "headers" (list $header))
      (field "attributes" (list (tuple string string))) (field "payload" (option (list u8)))))
  (type $fault (record (field "code" string) (field "text" string) (field "retry-after-ms" (option u64))))
  (type $failure (variant (case "retryable" $fault) (case "permanent" $fault) (case "deferred" $fault)))
  (func $handle (param "message" $message) (result (result (list $output) (error $failure)))
    (canon lift (core func $main "handle") {{lift}} (memory (core memory $libc "memory"))
      (realloc (core func $libc "cabi_realloc")) (post-return (core func $main "post-return"))))

  ;; Gives the types the names that an exported interface has to have.
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
  (export "cofferdam:plugin/handler@0.1.0" (instance $shim)))

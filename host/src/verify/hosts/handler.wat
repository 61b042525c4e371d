;; The handler of `cofferdam verify`: a message says itself what is to become of it.
;;
;; The payload begins with a letter and a digit k. Up to attempt k the letter rules:
;;
;;   r  fails, and may succeed later       m  takes memory until it is refused, and dies of it
;;   p  fails for good                     l  never ends
;;   f  not now                            u  emits to an output that does not exist
;;   t  traps
;;
;; Later attempts, and all of the letter d, end well: d with k outputs, the others with one. The payload of an output is
;; the id of the message, a slash and the number of the output, so that whoever reads it knows where it comes from.
;;
;; Places in memory: texts from 0, the answer at 1024, up to ten outputs at 2048, their payloads at 4096 and every
;; 512 bytes on, the arguments from 65536.
(component
    (core module $Libc
        (memory (export "memory") 4)
        (global $next (export "next") (mut i32) (i32.const 65536))
        (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (local $at i32)
            (local.set $at (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -16)))
            (global.set $next (i32.add (local.get $at) (local.get 3)))
            (local.get $at)))
    (core instance $libc (instantiate $Libc))

    (core module $Main
        (import "libc" "memory" (memory 1))
        (import "libc" "next" (global $next (mut i32)))
        (data (i32.const 0) "out")
        (data (i32.const 16) "nowhere")
        (data (i32.const 32) "TOLD_TO")
        (data (i32.const 64) "as the message says")

        ;; Ends with `count` outputs to the name at `to`.
        (func $done (param $message i32) (param $count i32) (param $to i32) (param $to_length i32)
            (local $index i32) (local $record i32) (local $payload i32) (local $id_length i32)
            (local.set $id_length (i32.load offset=4 (local.get $message)))
            (block $all
                (loop $next
                    (br_if $all (i32.ge_u (local.get $index) (local.get $count)))
                    (local.set $record (i32.add (i32.const 2048) (i32.mul (local.get $index) (i32.const 48))))
                    (local.set $payload (i32.add (i32.const 4096) (i32.mul (local.get $index) (i32.const 512))))
                    ;; to, key of the message, no headers, no attributes
                    (i32.store (local.get $record) (local.get $to))
                    (i32.store offset=4 (local.get $record) (local.get $to_length))
                    (memory.copy (i32.add (local.get $record) (i32.const 8))
                        (i32.add (local.get $message) (i32.const 24)) (i32.const 12))
                    (memory.fill (i32.add (local.get $record) (i32.const 20)) (i32.const 0) (i32.const 16))
                    ;; payload: id, slash, number
                    (memory.copy (local.get $payload) (i32.load (local.get $message)) (local.get $id_length))
                    (i32.store8 (i32.add (local.get $payload) (local.get $id_length)) (i32.const 0x2f))
                    (i32.store8 offset=1 (i32.add (local.get $payload) (local.get $id_length))
                        (i32.add (i32.const 0x30) (local.get $index)))
                    (i32.store8 offset=36 (local.get $record) (i32.const 1))
                    (i32.store offset=40 (local.get $record) (local.get $payload))
                    (i32.store offset=44 (local.get $record) (i32.add (local.get $id_length) (i32.const 2)))
                    (local.set $index (i32.add (local.get $index) (i32.const 1)))
                    (br $next)))
            (i32.store8 (i32.const 1024) (i32.const 0))
            (i32.store (i32.const 1032) (i32.const 2048))
            (i32.store (i32.const 1036) (local.get $count)))

        ;; Ends with a failure: 0 retryable, 1 permanent, 2 deferred by a quarter of a second.
        (func $failed (param $kind i32)
            (i32.store8 (i32.const 1024) (i32.const 1))
            (i32.store8 (i32.const 1032) (local.get $kind))
            (i32.store (i32.const 1040) (i32.const 32))
            (i32.store (i32.const 1044) (i32.const 7))
            (i32.store (i32.const 1048) (i32.const 64))
            (i32.store (i32.const 1052) (i32.const 19))
            (i32.store8 (i32.const 1056) (i32.eq (local.get $kind) (i32.const 2)))
            (i64.store (i32.const 1064) (i64.const 250)))

        (func (export "handle") (param $message i32) (result i32)
            (local $payload i32) (local $letter i32) (local $k i32)
            (global.set $next (i32.const 65536))
            (local.set $payload (i32.load offset=56 (local.get $message)))
            (local.set $letter (i32.load8_u (local.get $payload)))
            (local.set $k (i32.sub (i32.load8_u offset=1 (local.get $payload)) (i32.const 0x30)))
            (if (i32.eq (local.get $letter) (i32.const 0x64)) ;; d
                (then (call $done (local.get $message) (local.get $k) (i32.const 0) (i32.const 3))
                    (return (i32.const 1024))))
            (if (i32.gt_u (i32.load offset=72 (local.get $message)) (local.get $k))
                (then (call $done (local.get $message) (i32.const 1) (i32.const 0) (i32.const 3))
                    (return (i32.const 1024))))
            (if (i32.eq (local.get $letter) (i32.const 0x72)) ;; r
                (then (call $failed (i32.const 0)) (return (i32.const 1024))))
            (if (i32.eq (local.get $letter) (i32.const 0x70)) ;; p
                (then (call $failed (i32.const 1)) (return (i32.const 1024))))
            (if (i32.eq (local.get $letter) (i32.const 0x66)) ;; f
                (then (call $failed (i32.const 2)) (return (i32.const 1024))))
            (if (i32.eq (local.get $letter) (i32.const 0x75)) ;; u
                (then (call $done (local.get $message) (i32.const 1) (i32.const 16) (i32.const 7))
                    (return (i32.const 1024))))
            (if (i32.eq (local.get $letter) (i32.const 0x6c)) ;; l
                (then (loop $forever (br $forever))))
            (if (i32.eq (local.get $letter) (i32.const 0x6d)) ;; m
                (then (loop $more
                    (br_if $more (i32.ne (memory.grow (i32.const 4)) (i32.const -1))))))
            (unreachable))
        (func (export "post-return") (param i32)))
    (core instance $main (instantiate $Main (with "libc" (instance $libc))))

    ;; The contract, `wit/v1/types.wit` and `wit/v1/handler.wit`.
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
        (canon lift (core func $main "handle") (memory (core memory $libc "memory"))
            (realloc (core func $libc "cabi_realloc")) (post-return (core func $main "post-return"))))

    ;; An exported interface has to name its types.
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

;; Calls itself without end when the host asks for room for the message.
;;= realloc
(drop (call $cabi_realloc (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))

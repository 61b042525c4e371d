;; Fails with a code of a megabyte.
;;= memory: 40
;;= handle
(memory.fill (i32.const 262144) (i32.const 65) (i32.const 1048576))
(call $fail (i32.const 1) (i32.const 262144) (i32.const 1048576) (i32.const 0) (i32.const 0))

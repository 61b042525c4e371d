;; The list of outputs ends where the addresses begin again.
;;= handle
(call $answer (i32.const 0xfffffff0) (i32.const 1))

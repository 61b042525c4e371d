;; Waits for none of nothing.
;;= imports: clock
;;= handle
(call $poll (i32.const 0) (i32.const 0) (i32.const 2048))

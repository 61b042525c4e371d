;; Waits for something that it was never given.
;;= imports: clock
;;= handle
(call $block (i32.const 77))

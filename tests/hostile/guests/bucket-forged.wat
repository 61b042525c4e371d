;; Counts in a bucket that it was never given.
;;= imports: keyvalue
;;= grants: keyvalue
;;= handle
(call $increment (i32.const 3) (i32.const 0) (i32.const 4) (i64.const 1) (i32.const 2048))

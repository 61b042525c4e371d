;; Opens the bucket of another plugin. It is told no, or it dies.
;;= imports: keyvalue
;;= grants: keyvalue
;;= items
(data (i32.const 4096) "payments")
;;= handle
(call $open (i32.const 4096) (i32.const 8) (i32.const 2048))
(if (i32.ne (i32.load8_u (i32.const 2048)) (i32.const 1)) (then (unreachable)))

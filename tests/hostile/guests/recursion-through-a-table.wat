;; Calls itself through a table without end.
;;= items
(type $nothing (func))
(table 1 funcref)
(elem (i32.const 0) $deeper)
(func $deeper (call_indirect (type $nothing) (i32.const 0)) (call_indirect (type $nothing) (i32.const 0)))
;;= handle
(call $deeper)

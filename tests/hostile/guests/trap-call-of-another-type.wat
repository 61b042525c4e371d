;; Calls a function of another type through a table.
;;= items
(type $nothing (func))
(table 1 funcref)
(elem (i32.const 0) $other)
(func $other (param i32))
;;= handle
(call_indirect (type $nothing) (i32.const 0))

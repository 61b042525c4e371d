;; Calls an empty element of a table.
;;= items
(type $nothing (func))
(table 1 funcref)
;;= handle
(call_indirect (type $nothing) (i32.const 0))

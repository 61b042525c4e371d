;; Calls an element that a table does not have.
;;= items
(type $nothing (func))
(table 1 funcref)
;;= handle
(call_indirect (type $nothing) (i32.const 99))

;; Calls itself for ever through a table, without a stack.
;;= items
(type $nothing (func))
(table 1 funcref)
(elem (i32.const 0) $again)
(func $again (return_call_indirect (type $nothing) (i32.const 0)))
;;= handle
(call $again)

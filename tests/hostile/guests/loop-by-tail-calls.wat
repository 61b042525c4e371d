;; Calls itself for ever without a loop and without a stack.
;;= items
(func $again (return_call $again))
;;= handle
(call $again)

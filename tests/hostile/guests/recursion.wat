;; Calls itself without end.
;;= items
(func $deeper (call $deeper))
;;= handle
(call $deeper)

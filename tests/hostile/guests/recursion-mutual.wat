;; Two functions call each other without end.
;;= items
(func $left (call $right))
(func $right (call $left))
;;= handle
(call $left)

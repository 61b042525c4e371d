;; Leaves garbage for a collector.
;;= items
(type $cell (struct (field (mut i32))))
;;= handle
(drop (struct.new $cell (i32.const 1)))

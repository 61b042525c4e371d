;; Reads an element that a table does not have.
;;= items
(table $table 1 funcref)
;;= handle
(drop (table.get $table (i32.const 7)))

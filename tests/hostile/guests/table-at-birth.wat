;; Begins with more table elements than it may have.
;;= items
(table $table 50000 funcref)

;; Grows a table until it gets no more, and dies of it.
;;= items
(table $table 1 funcref)
;;= handle
(loop $more
  (if (i32.eq (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)) (then (unreachable)))
  (br $more))

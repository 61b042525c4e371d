;; Fills a table again and again, five hundred times in a row without anything in between.
;;= items
(table $table 9000 funcref)
;;= handle
(loop $forever
;;= handle 500 times
  (table.fill $table (i32.const 0) (ref.func $post-return) (i32.const 9000))
;;= handle
  (br $forever))

;; Has more tables than a slot of the pool.
;;= items
(table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref) (table 1 funcref)

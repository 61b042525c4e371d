;; Throws an exception that nobody catches.
;;= items
(tag $tag)
;;= handle
(throw $tag)

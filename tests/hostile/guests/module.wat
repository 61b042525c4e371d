;; A module, not a component.
(module (func (export "handle") (loop (br 0))))

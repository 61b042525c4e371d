import json
import unittest

from cofferdam_sdk import ValidationError, testing
from my_handler.handler import handle

ORDER = {"order": "o-1", "customer": "Ada", "items": [{"sku": "a", "quantity": 2, "price": 2.5}]}


class MyHandlerTest(unittest.TestCase):
    def test_an_order_gets_its_total(self):
        [output] = handle(testing.message(json=ORDER))
        self.assertEqual((output.to, output.key), ("out", b"o-1"))
        self.assertEqual(json.loads(output.payload), {"order": "o-1", "customer": "Ada", "total": 5.0})

    def test_what_is_no_order_is_refused(self):
        items = [{"quantity": 0, "price": 1}], [{"quantity": True, "price": 1}], [{"quantity": 1}], ["a"], []
        for wrong in ("text", {}, *(ORDER | {"items": items} for items in items)):
            with self.subTest(wrong), self.assertRaises(ValidationError):
                handle(testing.message(json=wrong))


if __name__ == "__main__":
    unittest.main()

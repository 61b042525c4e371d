import unittest

from cofferdam_sdk import Output, Permanent, testing
from enrich import handle

ITEM = {"sku": "a", "quantity": 2, "cents": 250}
ORDER = {"order": "o-1", "customer": "Ada <&> Söhne", "country": "DE", "items": [ITEM]}


class EnrichTest(unittest.TestCase):
    def setUp(self):
        self.enterContext(testing.host(config={"vat.DE": "19", "free_shipping_cents": "500"}))

    def test_an_order_gets_its_vat_and_shipping(self):
        with self.assertLogs() as logs:
            outputs = handle(testing.message(json=ORDER))
        payload = (
            '{"order":"o-1","customer":"Ada <&> Söhne","country":"DE",'
            '"items":[{"sku":"a","quantity":2,"cents":250,"total_cents":500}],'
            '"total_cents":500,"vat_cents":95,"shipping":"free"}'
        )
        self.assertEqual(outputs, [Output("enriched", payload, key="o-1", headers={"schema": "order/2"})])
        self.assertEqual(logs.output, ["INFO:root:order o-1: 595 cents with vat"])

    def test_what_is_no_order_is_refused(self):
        for changed, code in [
            ({"items": []}, "VALIDATION_ERROR"),
            ({"items": [ITEM | {"quantity": 0}]}, "VALIDATION_ERROR"),
            ({"items": [ITEM | {"quantity": True}]}, "VALIDATION_ERROR"),
            ({"items": [ITEM | {"cents": -1}]}, "VALIDATION_ERROR"),
            ({"country": "XX"}, "UNKNOWN_COUNTRY"),
        ]:
            with self.subTest(changed), self.assertRaises(Permanent) as refused:
                handle(testing.message(json=ORDER | changed))
            self.assertEqual(refused.exception.code, code)


if __name__ == "__main__":
    unittest.main()

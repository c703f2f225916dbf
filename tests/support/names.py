"""Names that people's data may have, as bad as names can be."""

#: Names of classes that would be markup, template, attribute or formula, if anything let them.
HOSTILE = (
    "</script><script>alert(1)</script>",
    '"><img src=x onerror="alert(2)">',
    "{{ 7*7 }} $x^2$ 🫁|*b*",
    "‮שלום & <!--",
)

"""Everything that learns: data sets, teachers, the FR-KAN+ student, distillation. Import its modules, not this."""

"""The operator that chooses where to run, and follows the branch of that region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseBranchOperator

from airflow_carbon.core.moment import stated
from airflow_carbon.exceptions import InvalidRequestError
from airflow_carbon.operators.best_region import BestRegionOperator

if TYPE_CHECKING:
    from airflow.sdk import Context


class BestRegionBranchOperator(BaseBranchOperator, BestRegionOperator):
    """Choose the cleanest region and follow its branch; takes all that :class:`BestRegionOperator` does.

    Returns the chosen region as the user wrote it.

    :param branches: region as in ``regions`` -> task id (or task group id) to follow; gives ``regions`` too where they
        are not named apart.
    """

    template_fields: Sequence[str] = (*BestRegionOperator.template_fields, "branches")

    def __init__(self, *, branches: Mapping[str, str], regions: Sequence[str] | str = "", **kwargs: Any) -> None:
        super().__init__(regions=regions, **kwargs)
        self.branches = branches

    def execute(self, context: Context) -> str:
        """Choose the region, skip every branch but its own, and give the region."""
        region = self.chosen(context)
        # Skipping leaves this method by an exception, and what it would have returned is lost.
        context["ti"].xcom_push(key="return_value", value=region)
        self.do_branch(context, self.branches[region])
        return region

    def choose_branch(self, context: Context) -> str:
        """Give the task id that stands beside the chosen region."""
        return self.branches[self.chosen(context)]

    def chosen(self, context: Context) -> str:
        """Choose the region.

        :raises InvalidRequestError: if a region has no branch; found before anything is asked.
        """
        from airflow_carbon.operators.rendered import names_of

        if not isinstance(self.branches, Mapping) or not self.branches:
            raise InvalidRequestError(f"branches: {self.branches!r} must map each region to a task id")
        # Only now are templates rendered and the branches known.
        self.regions = names = names_of(stated(self.regions) or list(self.branches), "regions")
        missing = [name for name in names if name not in self.branches]
        if missing:
            raise InvalidRequestError(
                f"branches: region {missing[0]!r} has no task to follow; there are {', '.join(self.branches) or 'none'}"
            )
        return self.choose(context)

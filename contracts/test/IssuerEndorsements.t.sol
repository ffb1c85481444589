// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// A cast that cut a value off would show as a failing test.
// forge-lint: disable-start(unsafe-typecast)

import {IIssuerRegistry} from "../src/IIssuerRegistry.sol";
import {IssuerFixture} from "./IssuerFixture.sol";

/// @dev Endorsements: for exactly one issuer and profile, an end only moves later, a withdrawal only earlier.
contract IssuerEndorsementsTest is IssuerFixture {
    function _assertEndorsement(uint64 from, uint64 until, uint64 withdrawnSince) private view {
        IIssuerRegistry.Endorsement memory given = registry.endorsement(accreditor, id, PROFILE);
        vm.assertEq(given.from, from);
        vm.assertEq(given.until, until);
        vm.assertEq(given.withdrawnSince, withdrawnSince);
    }

    function test_endorse_beginsNow() public {
        vm.warp(NOW + 3);
        vm.expectEmit();
        emit IIssuerRegistry.Endorsed(accreditor, id, PROFILE, uint40(NOW + 100));
        endorse(NOW + 100);

        _assertEndorsement(NOW + 3, NOW + 100, 0);
    }

    function test_endorse_isOfOneProfileOnly() public {
        recordProfile(keccak256("new"));
        endorse(0);

        vm.assertEq(registry.endorsement(accreditor, id, keccak256("new")).from, 0);
        vm.assertEq(registry.endorsement(id, accreditor, PROFILE).from, 0);
    }

    function test_endorse_repeatedMovesTheEndLater() public {
        endorse(NOW + 100);
        vm.warp(NOW + 50);
        vm.expectEmit();
        emit IIssuerRegistry.Endorsed(accreditor, id, PROFILE, uint40(NOW + 101));
        endorse(NOW + 101);
        endorse(0);

        _assertEndorsement(NOW, 0, 0);
    }

    function test_endorse_neverMovesTheEndEarlier() public {
        endorse(NOW + 100);
        vm.recordLogs();
        endorse(NOW + 100);
        endorse(NOW + 99);
        endorse(1);

        assertNoEvent();
        _assertEndorsement(NOW, NOW + 100, 0);
    }

    function test_endorse_openEndedStaysOpenEnded() public {
        endorse(0);
        vm.recordLogs();
        endorse(0);
        endorse(NOW + 100);

        assertNoEvent();
        _assertEndorsement(NOW, 0, 0);
    }

    function test_endorse_standsBehindAClosedIssuerToo() public {
        close(0);
        endorse(0);

        _assertEndorsement(NOW, 0, 0);
    }

    function test_endorse_revertsWithUnknownProfile() public {
        vm.prank(ACCREDITOR);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownProfile.selector, id, SALT));
        registry.endorse(accreditor, id, SALT, 0, NEVER, "");
    }

    function test_endorse_revertsWithUnknownProfileForAnUnregisteredSubject() public {
        vm.prank(ACCREDITOR);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownProfile.selector, SALT, PROFILE));
        registry.endorse(accreditor, SALT, PROFILE, 0, NEVER, "");
    }

    function test_endorse_revertsWithInvalidTimeUnlessInTheFuture() public {
        uint64[3] memory times = [uint64(1), NOW, NEVER];
        for (uint256 i; i < times.length; ++i) {
            vm.prank(ACCREDITOR);
            vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, times[i]));
            registry.endorse(accreditor, id, PROFILE, times[i], NEVER, "");
        }
    }

    function test_endorse_revertsWithUnknownIssuer() public {
        vm.prank(ACCREDITOR);
        vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.UnknownIssuer.selector, SALT));
        registry.endorse(SALT, id, PROFILE, 0, NEVER, "");
    }

    function test_endorse_revertsWithCallerNotSignerForTheSubject() public {
        vm.prank(CONTROLLER);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.CallerNotSigner.selector, CONTROLLER, ACCREDITOR)
        );
        registry.endorse(accreditor, id, PROFILE, 0, NEVER, "");
    }

    function test_fuzz_endorse_endOnlyMovesLater(uint64[5] calldata ends) public {
        endorse(NOW + 1);
        uint256 latest = NOW + 1;
        for (uint256 i; i < ends.length; ++i) {
            uint64 end = uint64(bound(ends[i], 0, type(uint40).max));
            endorse(end);
            uint256 asked = end == 0 ? type(uint256).max : end;
            latest = asked > latest ? asked : latest;
            uint256 found = registry.endorsement(accreditor, id, PROFILE).until;
            vm.assertEq(found == 0 ? type(uint256).max : found, latest);
        }
    }

    // ------------------------------------------------------------ withdraw

    function test_withdraw_mayDateBack() public {
        endorse(0);
        vm.warp(NOW + 100);
        vm.expectEmit();
        emit IIssuerRegistry.EndorsementWithdrawn(accreditor, id, PROFILE, uint40(NOW + 60));
        withdraw(NOW + 60);

        _assertEndorsement(NOW, 0, NOW + 60);
    }

    function test_withdraw_countsFromTheBeginningAtTheEarliest() public {
        endorse(0);
        vm.warp(NOW + 100);
        withdraw(1);

        _assertEndorsement(NOW, 0, NOW);
    }

    function test_withdraw_takesNow() public {
        endorse(0);
        vm.warp(NOW + 100);
        withdraw(NOW + 100);

        _assertEndorsement(NOW, 0, NOW + 100);
    }

    function test_withdraw_onlyMovesEarlier() public {
        endorse(0);
        vm.warp(NOW + 100);
        withdraw(NOW + 60);
        vm.recordLogs();
        withdraw(NOW + 60);
        withdraw(NOW + 61);
        assertNoEvent();
        withdraw(NOW + 59);

        _assertEndorsement(NOW, 0, NOW + 59);
    }

    function test_endorse_revertsWithEndorsementIsWithdrawn() public {
        endorse(NOW + 100);
        withdraw(NOW);
        vm.prank(ACCREDITOR);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.EndorsementIsWithdrawn.selector, accreditor, id, PROFILE)
        );
        registry.endorse(accreditor, id, PROFILE, 0, NEVER, "");
    }

    function test_withdraw_revertsWithUnknownEndorsement() public {
        vm.prank(ACCREDITOR);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.UnknownEndorsement.selector, accreditor, id, PROFILE)
        );
        registry.withdraw(accreditor, id, PROFILE, NOW, NEVER, "");
    }

    function test_withdraw_revertsWithInvalidTimeForZeroAndTheFuture() public {
        endorse(0);
        uint64[3] memory times = [uint64(0), NOW + 1, NEVER];
        for (uint256 i; i < times.length; ++i) {
            vm.prank(ACCREDITOR);
            vm.expectRevert(abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, times[i]));
            registry.withdraw(accreditor, id, PROFILE, times[i], NEVER, "");
        }
    }

    function test_fuzz_withdraw_onlyMovesEarlierAndNeverBeforeFrom(uint64[5] calldata times) public {
        endorse(0);
        vm.warp(NOW + 1000);
        uint256 earliest = type(uint256).max;
        for (uint256 i; i < times.length; ++i) {
            uint64 since = uint64(bound(times[i], NOW - 1000, NOW + 1000));
            withdraw(since);
            uint256 counted = since < NOW ? NOW : since;
            earliest = counted < earliest ? counted : earliest;
            vm.assertEq(registry.endorsement(accreditor, id, PROFILE).withdrawnSince, earliest);
        }
    }
}

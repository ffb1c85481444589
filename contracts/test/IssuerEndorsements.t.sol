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

    function _expectRefusal(address caller, bytes memory refusal) private {
        vm.prank(caller);
        vm.expectRevert(refusal);
    }

    function test_withdraw_byTheRecoveryKeyDatesBack() public {
        endorse(0);
        vm.warp(NOW + 100);
        vm.expectEmit();
        emit IIssuerRegistry.EndorsementWithdrawn(accreditor, id, PROFILE, uint40(NOW + 60));
        withdraw(ACCREDITOR_RECOVERY, NOW + 60);

        _assertEndorsement(NOW, 0, NOW + 60);
    }

    function test_withdraw_countsFromTheBeginningAtTheEarliest() public {
        endorse(0);
        vm.warp(NOW + 100);
        withdraw(ACCREDITOR_RECOVERY, 1);

        _assertEndorsement(NOW, 0, NOW);
    }

    function test_withdraw_byTheControllerTakesNow() public {
        endorse(0);
        vm.warp(NOW + 100);
        vm.expectEmit();
        emit IIssuerRegistry.EndorsementWithdrawn(accreditor, id, PROFILE, uint40(NOW + 100));
        withdraw(ACCREDITOR, NOW + 100);

        _assertEndorsement(NOW, 0, NOW + 100);
    }

    /// @dev Beyond the 40 bits of the slot too: what lies ahead is never recorded.
    function test_withdraw_countsTheFutureAsNowForBothKeys() public {
        address[2] memory signers = [ACCREDITOR, ACCREDITOR_RECOVERY];
        uint64[3] memory times = [NOW + 101, type(uint40).max, NEVER];
        bytes32[6] memory profiles;
        for (uint256 i; i < 6; ++i) {
            profiles[i] = keccak256(abi.encode("profile", i));
            recordProfile(profiles[i]);
            vm.prank(ACCREDITOR);
            registry.endorse(accreditor, id, profiles[i], 0, NEVER, "");
        }
        vm.warp(NOW + 100);
        for (uint256 i; i < 6; ++i) {
            vm.prank(signers[i / 3]);
            registry.withdraw(accreditor, id, profiles[i], times[i % 3], signers[i / 3], NEVER, "");
            vm.assertEq(registry.endorsement(accreditor, id, profiles[i]).withdrawnSince, NOW + 100);
        }
    }

    function test_withdraw_onlyMovesEarlier() public {
        endorse(0);
        vm.warp(NOW + 100);
        withdraw(ACCREDITOR_RECOVERY, NOW + 60);
        vm.recordLogs();
        withdraw(ACCREDITOR_RECOVERY, NOW + 60);
        withdraw(ACCREDITOR_RECOVERY, NOW + 61);
        withdraw(ACCREDITOR, NOW + 100);
        withdraw(ACCREDITOR, NEVER);
        assertNoEvent();
        withdraw(ACCREDITOR_RECOVERY, NOW + 59);

        _assertEndorsement(NOW, 0, NOW + 59);
    }

    function test_endorse_revertsWithEndorsementIsWithdrawn() public {
        endorse(NOW + 100);
        withdraw(ACCREDITOR, NOW);
        vm.prank(ACCREDITOR);
        vm.expectRevert(
            abi.encodeWithSelector(IIssuerRegistry.EndorsementIsWithdrawn.selector, accreditor, id, PROFILE)
        );
        registry.endorse(accreditor, id, PROFILE, 0, NEVER, "");
    }

    function test_withdraw_revertsWithWithdrawalInThePastForTheController() public {
        endorse(0);
        vm.warp(NOW + 100);
        uint64[4] memory times = [uint64(0), 1, NOW, NOW + 99];
        for (uint256 i; i < times.length; ++i) {
            _expectRefusal(
                ACCREDITOR, abi.encodeWithSelector(IIssuerRegistry.WithdrawalInThePast.selector, times[i])
            );
            registry.withdraw(accreditor, id, PROFILE, times[i], ACCREDITOR, NEVER, "");
        }

        _assertEndorsement(NOW, 0, 0);
    }

    /// @dev The subject's keys are strangers here: the controller and the recovery key are the accreditor's.
    function test_withdraw_revertsWithSignerNotEntitled() public {
        endorse(0);
        address[3] memory strangers = [THIEF, CONTROLLER, RECOVERY];
        for (uint256 i; i < strangers.length; ++i) {
            _expectRefusal(
                strangers[i],
                abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, accreditor, strangers[i])
            );
            registry.withdraw(accreditor, id, PROFILE, NOW, strangers[i], NEVER, "");
        }
    }

    function test_withdraw_revertsWithSignerNotEntitledForTheKeysBeforeARotation() public {
        endorse(0);
        vm.prank(ACCREDITOR_RECOVERY);
        registry.rotate(
            accreditor, vm.addr(0x601), commitment(vm.addr(0x602)), ACCREDITOR_RECOVERY, NEVER, ""
        );
        address[2] memory former = [ACCREDITOR, ACCREDITOR_RECOVERY];
        for (uint256 i; i < former.length; ++i) {
            _expectRefusal(
                former[i],
                abi.encodeWithSelector(IIssuerRegistry.SignerNotEntitled.selector, accreditor, former[i])
            );
            registry.withdraw(accreditor, id, PROFILE, NOW, former[i], NEVER, "");
        }
        vm.warp(NOW + 9);
        withdraw(vm.addr(0x602), NOW + 4);

        _assertEndorsement(NOW, 0, NOW + 4);
    }

    function test_withdraw_revertsWithCallerNotSignerForABorrowedName() public {
        endorse(0);
        vm.warp(NOW + 100);
        _expectRefusal(
            ACCREDITOR,
            abi.encodeWithSelector(IIssuerRegistry.CallerNotSigner.selector, ACCREDITOR, ACCREDITOR_RECOVERY)
        );
        registry.withdraw(accreditor, id, PROFILE, NOW, ACCREDITOR_RECOVERY, NEVER, "");
    }

    function test_withdraw_revertsWithIssuerClosedForBothKeys() public {
        endorse(0);
        vm.prank(ACCREDITOR_RECOVERY);
        registry.close(accreditor, id, 0, ACCREDITOR_RECOVERY, NEVER, "");
        address[4] memory signers = [ACCREDITOR, ACCREDITOR_RECOVERY, CONTROLLER, RECOVERY];
        for (uint256 i; i < signers.length; ++i) {
            _expectRefusal(
                signers[i], abi.encodeWithSelector(IIssuerRegistry.IssuerClosed.selector, accreditor)
            );
            registry.withdraw(accreditor, id, PROFILE, NOW, signers[i], NEVER, "");
        }
    }

    function test_withdraw_revertsWithUnknownIssuer() public {
        _expectRefusal(ACCREDITOR, abi.encodeWithSelector(IIssuerRegistry.UnknownIssuer.selector, SALT));
        registry.withdraw(SALT, id, PROFILE, NOW, ACCREDITOR, NEVER, "");
    }

    function test_withdraw_revertsWithUnknownEndorsement() public {
        _expectRefusal(
            ACCREDITOR,
            abi.encodeWithSelector(IIssuerRegistry.UnknownEndorsement.selector, accreditor, id, PROFILE)
        );
        registry.withdraw(accreditor, id, PROFILE, NOW, ACCREDITOR, NEVER, "");
    }

    function test_withdraw_revertsWithInvalidTimeForZero() public {
        endorse(0);
        _expectRefusal(ACCREDITOR_RECOVERY, abi.encodeWithSelector(IIssuerRegistry.InvalidTime.selector, 0));
        registry.withdraw(accreditor, id, PROFILE, 0, ACCREDITOR_RECOVERY, NEVER, "");
    }

    function test_fuzz_withdraw_onlyMovesEarlierAndNeverBeforeFrom(uint64[5] calldata times) public {
        endorse(0);
        vm.warp(NOW + 1000);
        uint256 earliest = type(uint256).max;
        for (uint256 i; i < times.length; ++i) {
            uint64 since = uint64(bound(times[i], NOW - 1000, NOW + 2000));
            withdraw(ACCREDITOR_RECOVERY, since);
            uint256 counted = since < NOW ? NOW : since > NOW + 1000 ? NOW + 1000 : since;
            earliest = counted < earliest ? counted : earliest;
            vm.assertEq(registry.endorsement(accreditor, id, PROFILE).withdrawnSince, earliest);
        }
    }

    function test_fuzz_withdraw_controllerNeverDatesBack(uint64 since, uint32 wait) public {
        endorse(0);
        vm.warp(NOW + uint256(wait));
        since = uint64(bound(since, 0, NOW + uint256(wait) - 1));
        _expectRefusal(
            ACCREDITOR, abi.encodeWithSelector(IIssuerRegistry.WithdrawalInThePast.selector, since)
        );
        registry.withdraw(accreditor, id, PROFILE, since, ACCREDITOR, NEVER, "");
    }

    function test_fuzz_withdraw_controllersTimeIsAlwaysNow(uint64 since, uint32 wait) public {
        endorse(0);
        vm.warp(NOW + uint256(wait));
        withdraw(ACCREDITOR, uint64(bound(since, NOW + uint256(wait), NEVER)));

        _assertEndorsement(NOW, 0, NOW + wait);
    }
}

using Kedge.Node.ControlLink;
using Kedge.Node.Keys;
using Kedge.Protocol.Api;

namespace Kedge.Commands.Node;

/// <summary>What came of leaving.</summary>
/// <param name="WasMember">Whether the controller had the node until now, as far as is known.</param>
/// <param name="Refusal">Why the controller still has the node, as a sentence; null where it does not.</param>
internal sealed record LeaveResult(bool WasMember, string? Refusal = null);

/// <summary>How a node leaves its network.</summary>
internal static class Leaving
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <summary>Has the controller forget the node.</summary>
    /// <returns>What came of it.</returns>
    public static async Task<LeaveResult> LeaveAsync(NodeFolder folder)
    {
        if (Membership.Read(folder) is not { } membership || CertificateFile.Read(folder.Certificate) is not { } certificate)
            return new LeaveResult(WasMember: false);
        if (!membership.HasController)
            return new LeaveResult(WasMember: true); // and nobody is to be told
        using NodeKeys keys = NodeKeys.Open(folder.Keys, membership.Settings.PrivateKeyFile);
        using var client = new RoamingClient(membership.ControllerAddresses, certificate.Node.Der, keys.Identity, TimeProvider.System);
        using var timeout = new CancellationTokenSource(Timeout);
        try
        {
            return await client.AskAsync(async one =>
            {
                await one.LeaveAsync(timeout.Token);
                return new LeaveResult(WasMember: true);
            });
        }
        catch (ControllerException exception) when (exception.Reason.EndsMembership())
        {
            return new LeaveResult(WasMember: false);
        }
        catch (ControllerException exception)
        {
            return new LeaveResult(WasMember: true, exception.Message);
        }
        catch (OperationCanceledException)
        {
            return new LeaveResult(WasMember: true, $"{membership.Controller} did not answer within {Timeout.TotalSeconds} s.");
        }
    }
}

using Kedge.Node.ControlLink;

namespace Kedge.Commands.Node;

/// <summary>How a node leaves its network.</summary>
internal static class Leaving
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(30);

    /// <summary>Has the controller forget the node.</summary>
    /// <returns>Why it did not, as a sentence; null where it did, or the node had not joined.</returns>
    public static async Task<string?> TryLeaveAsync(NodeFolder folder)
    {
        if (Membership.Read(folder) is not { } membership || CertificateFile.Read(folder.Certificate) is not { } certificate)
            return null;
        using NodeKeys keys = NodeKeys.Open(folder, membership.Settings.PrivateKeyFile);
        using var client = new ControllerClient(membership.ControllerAddress, certificate.Node.Der, keys.Identity, TimeProvider.System);
        using var timeout = new CancellationTokenSource(Timeout);
        try
        {
            await client.LeaveAsync(timeout.Token);
            return null;
        }
        catch (Exception e) when (e is ControllerException or OperationCanceledException)
        {
            return e.Message;
        }
    }
}
